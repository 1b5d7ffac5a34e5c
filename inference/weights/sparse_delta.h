#pragma once
// Changes of single weights: what sparse fine-tuning (Ansell et al. 2024, "SFT"), edits of
// arbitrary few parameters ("APET", 2025) and restored alignment ("Fear of Losing Alignment", 2025)
// come down to. A safetensors file: for each changed tensor NAME.indices (I64 or I32, flat,
// row-major, any order) and NAME.values (F32, F16 or BF16); metadata "format" is
// "weft.sparse-delta", "op" is "add" or "set", "base" the fingerprint of the model that was
// changed.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/safetensors.h"
#include "inference/weights/tensor_source.h"

namespace weft::inference {

enum class DeltaOp : std::uint8_t { kAdd, kSet };
std::string_view to_string(DeltaOp op) noexcept;

/// An open file; a tensor's changes are read when they are asked for. Const members may run at
/// once.
class SparseDelta {
 public:
  struct Changes {
    std::vector<std::uint64_t> indices;  // ascending, each once
    std::vector<float> values;
  };

  /// Errors: those of SafetensorsFile::open; kUnsupported for another format or op; kCorrupt for
  /// indices without values, or of another length or type (named).
  static Result<SparseDelta> open(const std::filesystem::path& path);

  DeltaOp op() const noexcept { return op_; }
  const std::string& base() const noexcept { return base_; }  // empty if the file doesn't say
  std::vector<std::string> tensors() const;
  std::uint64_t changed() const noexcept;  // weights

  bool touches(std::string_view tensor) const noexcept;
  /// Of a tensor with `values` weights. Errors: kCorrupt for an index beyond them or one that
  /// stands twice, a value that isn't finite; kIo.
  Result<Changes> changes(std::string_view tensor, std::uint64_t values) const;

 private:
  explicit SparseDelta(SafetensorsFile file) : file_(std::move(file)) {}
  SafetensorsFile file_;
  DeltaOp op_ = DeltaOp::kAdd;
  std::string base_;
};

/// A source with a delta applied. Borrows both. Const members may run at once.
class PatchedTensors : public TensorSource {
 public:
  struct Options {
    float scale = 1;       // of added values
    bool inverse = false;  // takes added values away again
  };
  /// Errors: kInvalidArgument for a tensor that the source lacks, or options that a delta that sets
  /// can't follow.
  static Result<std::unique_ptr<PatchedTensors>> open(const TensorSource& source,
                                                      const SparseDelta& delta,
                                                      const Options& options);

  std::span<const TensorInfo> tensors() const noexcept override { return source_.tensors(); }
  Result<void> read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override;
  bool is_stored(std::size_t index) const noexcept override;
  Result<void> read_blocks(std::size_t index, std::uint64_t offset,
                           std::span<std::byte> out) const override;

 private:
  PatchedTensors(const TensorSource& source, const SparseDelta& delta, double factor)
      : source_(source), delta_(delta), factor_(factor) {}
  Result<std::shared_ptr<const SparseDelta::Changes>> changes_of(std::size_t index) const;

  const TensorSource& source_;
  const SparseDelta& delta_;
  double factor_;
  mutable std::mutex mutex_;  // tensors are asked for one after the other: the last one's are kept
  mutable std::shared_ptr<const SparseDelta::Changes> changes_;
  mutable std::size_t changes_index_ = 0;
};

struct DiffOptions {
  DeltaOp op = DeltaOp::kSet;
  double keep = 1;  // the share of each tensor's weights that may change, the largest changes first
  std::string base;  // fingerprint, to be written
  std::stop_token stop;
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress;  // weights, two passes
};

struct Diff {
  struct Tensor {
    std::string name;
    std::uint64_t changed = 0;
    std::uint64_t values = 0;
    double largest = 0;  // magnitude of a difference
    double root_mean_square = 0;
  };
  std::vector<Tensor> tensors;   // all, in the base's order
  std::uint64_t size_bytes = 0;  // of the file; 0 without one
};

/// What differs, tensor by tensor; with a `path`, writes the delta there too.
/// Errors: kInvalidArgument for tensors that the two don't share (named) or options out of range;
/// kCancelled; those of the sources and of the disk.
Result<Diff> diff(const TensorSource& base, const TensorSource& tuned,
                  const std::filesystem::path& path, const DiffOptions& options);

}  // namespace weft::inference
