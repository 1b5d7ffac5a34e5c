#pragma once
// Weight matrices repacked for the CPU level, and their product with activations. Rows are
// interleaved so that a vector lane is a row: each output value is summed block by block, in block
// order, by its own lane, with explicit fused multiply-adds. So the result is bit-identical for any
// number of activation rows, any split of the weight rows over threads, and any level.
//
// Integer formats multiply with activations quantised as llama.cpp does it, for parity: 32-blocks
// with an fp16-rounded scale for Q4_0, Q4_1, Q5_0, Q8_0, 256-blocks with a float scale for
// K-quants.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "base/result.h"
#include "inference/cpu/level.h"
#include "inference/tensor_type.h"

namespace weft::inference::cpu {

struct Kernels;

enum class ActivationKind : std::uint8_t { kFloat, kF16, kBF16, kQ8Block32, kQ8Block256 };
inline constexpr std::size_t kActivationKinds = 5;

/// What `type`'s weights are multiplied with.
ActivationKind activation_kind(TensorType type) noexcept;

/// `count` rows of `columns` activations in the form that a kind of matrix wants. A buffer:
/// resized by prepare(), filled row by row (threads may fill different rows at once).
class Activations {
 public:
  /// For matrices of `level`. Keeps the memory of earlier calls if it suffices. `columns` is whole
  /// blocks of the kind, for the float kinds any number. Nothing of earlier rows remains usable.
  void prepare(Level level, ActivationKind kind, std::size_t count, std::size_t columns);
  /// The same for a given table of kernels, which outlives the rows.
  void prepare(const Kernels& kernels, ActivationKind kind, std::size_t count, std::size_t columns);
  /// Quantises (or rounds) row `i` from x[0..columns). Same numbers at every level.
  void set_row(std::size_t i, const float* x) noexcept;

  ActivationKind kind() const noexcept { return kind_; }
  std::size_t count() const noexcept { return count_; }
  std::size_t columns() const noexcept { return columns_; }

  // The kernels' view: tiles of rows, see matrix_layout.h.
  const Kernels* kernels() const noexcept { return kernels_; }
  const std::uint8_t* tiles() const noexcept { return tiles_.get(); }
  std::size_t row_bytes() const noexcept { return row_bytes_; }

 private:
  struct AlignedFree {
    void operator()(std::uint8_t* memory) const noexcept;
  };
  const Kernels* kernels_ = nullptr;
  ActivationKind kind_ = ActivationKind::kFloat;
  std::size_t count_ = 0;
  std::size_t columns_ = 0;
  std::size_t row_bytes_ = 0;
  std::size_t capacity_bytes_ = 0;
  std::unique_ptr<std::uint8_t[], AlignedFree> tiles_;
};

struct RowRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Memory for the matrices of a model: one after the other in chunks of huge pages, which a small
/// matrix alone can't have (products of one row run faster with them). A chunk lives as long as
/// the arena or a matrix in it. Thread-safe.
class WeightArena {
 public:
  /// At least `bytes` bytes, aligned to a cache line; null if they can't be had.
  std::shared_ptr<std::uint8_t[]> allocate(std::size_t bytes);

 private:
  std::mutex mutex_;
  std::shared_ptr<std::uint8_t[]> chunk_;
  std::size_t chunk_bytes_ = 0;
  std::size_t used_bytes_ = 0;
};

/// (rows, columns) weights of one tensor. Immutable.
class Matrix {
 public:
  /// Fills out with file bytes [offset, offset + out.size()) of the tensor.
  using Source = std::function<Result<void>(std::uint64_t offset, std::span<std::byte> out)>;

  /// Reads through `source` a few rows at a time and repacks: no second copy of the tensor.
  /// Errors: kUnsupported if `columns` isn't whole blocks of `type` (or is 0), kResourceExhausted
  /// if the memory can't be had; those of `source`.
  static Result<Matrix> pack(TensorType type, std::size_t rows, std::size_t columns,
                             const Source& source, Level level, WeightArena& arena);
  /// The same in memory of its own.
  static Result<Matrix> pack(TensorType type, std::size_t rows, std::size_t columns,
                             const Source& source, Level level);
  /// The same for a given table of kernels, which outlives the matrix.
  static Result<Matrix> pack(TensorType type, std::size_t rows, std::size_t columns,
                             const Source& source, const Kernels& kernels, WeightArena& arena);
  /// What a matrix of this type and shape (whole blocks) takes at a level.
  static std::size_t packed_bytes(TensorType type, std::size_t rows, std::size_t columns,
                                  Level level) noexcept;
  /// A matrix that was packed at `level` before: of its bytes(), at a cache line, and are_7_bits().
  static Matrix from_packed(TensorType type, std::size_t rows, std::size_t columns, bool are_7_bits,
                            Level level, std::shared_ptr<const std::uint8_t[]> bytes);

  Matrix(Matrix&&) noexcept;
  Matrix& operator=(Matrix&&) noexcept;
  ~Matrix();

  TensorType type() const noexcept;
  std::size_t rows() const noexcept;
  std::size_t columns() const noexcept;
  std::size_t size_bytes() const noexcept;  // as packed
  std::span<const std::uint8_t> bytes() const noexcept;
  bool are_7_bits() const noexcept;  // Q8_0 of which no quant is outside [-64, 63]

  /// The rows of thread `thread` of `threads`: contiguous, whole interleave groups.
  RowRange partition(std::size_t thread, std::size_t threads) const noexcept;
  /// All rows in parts that `threads` threads take as they come for them (Team::next): a large one
  /// each, then small ones, so that all end at about the same time though one is slower. Some are
  /// empty where rows are few.
  std::size_t part_count(std::size_t threads) const noexcept;
  RowRange part(std::size_t i, std::size_t threads) const noexcept;

  /// Rows that are interleaved: 1, 8 or 16.
  std::size_t group_rows() const noexcept;

  /// y[i * y_stride + r] = W[r] . x_i for r in `rows` (whole groups, the last perhaps cut short)
  /// and i in [0, x.count()). Threads call it at once with their own ranges. `x` is of
  /// activation_kind(type()), has columns() columns and was prepared for the same level (asserted).
  void multiply(const Activations& x, RowRange rows, float* y, std::size_t y_stride) const noexcept;

 private:
  struct State;
  explicit Matrix(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference::cpu
