#pragma once
// A model's tensors as floats, some rows at a time: what quantising, merging and deltas read and
// are chained by. A chain never needs more memory than the rows that are asked of it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"

namespace weft::inference {

/// Const members may run at once.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  /// Their offsets and sizes say nothing where values aren't those of a file.
  virtual std::span<const TensorInfo> tensors() const noexcept = 0;

  /// Rows [first, first + count) of tensors()[index] into `out` (count, row_length).
  /// Errors: kInvalidArgument for rows that it doesn't have or another size; kIo and others.
  virtual Result<void> read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                                 std::span<float> out) const = 0;

  /// The values are those of the blocks that read_blocks() gives, in the tensor's own type.
  virtual bool is_stored(std::size_t index) const noexcept = 0;
  /// out.size() bytes of them, from byte `offset` on. Errors: kInvalidArgument, kIo.
  virtual Result<void> read_blocks(std::size_t index, std::uint64_t offset,
                                   std::span<std::byte> out) const = 0;
};

/// tensors().size() if there is none of that name.
std::size_t index_of(const TensorSource& source, std::string_view name) noexcept;

/// Where `other` has each of `base`'s tensors. Errors: kInvalidArgument for a tensor that only one
/// of them has or that has another shape, naming it and `other_name`.
Result<std::vector<std::size_t>> match_tensors(const TensorSource& base, const TensorSource& other,
                                               std::string_view other_name);

/// The tensors of a file, which it borrows.
class GgufTensors : public TensorSource {
 public:
  explicit GgufTensors(const GgufFile& file) : file_(file) {}

  std::span<const TensorInfo> tensors() const noexcept override { return file_.tensors(); }
  Result<void> read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override {
    return file_.read_rows(file_.tensors()[index], first, count, out);
  }
  bool is_stored(std::size_t /*index*/) const noexcept override { return true; }
  Result<void> read_blocks(std::size_t index, std::uint64_t offset,
                           std::span<std::byte> out) const override {
    return file_.read(file_.tensors()[index], offset, out);
  }

 private:
  const GgufFile& file_;
};

/// Rows of about 4 MiB of floats: what is read at a time. At least 1.
std::uint64_t rows_at_once(const TensorInfo& tensor) noexcept;

}  // namespace weft::inference
