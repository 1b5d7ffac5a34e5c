#pragma once
// A model's matrices as they are packed for a level, in a file beside the model's, mapped: a start
// then neither packs nor copies, and processes share the memory. It is a copy: where it isn't of
// the model's file as it is now, of this level and this layout, the model is packed anew.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/backend.h"
#include "inference/cpu/level.h"
#include "inference/cpu/matrix.h"
#include "inference/gguf.h"

namespace weft::inference::cpu {

/// Raised with every change of matrix_layout.h or of what pack_group() writes.
inline constexpr std::uint32_t kPackedLayout = 1;

/// "smollm2-135m.avx2.packed" beside smollm2-135m.gguf.
std::filesystem::path packed_path(const std::filesystem::path& model, Level level);

/// What packed weights are of.
struct PackedSource {
  const GgufFile& model;
  const std::string& fingerprint;  // of the model
  Level level;
};

/// Const members may run at once. Its matrices keep the mapping. Nobody may cut the file short
/// meanwhile, which would end the process; it is replaced and removed as a whole.
class PackedFile {
 public:
  /// `tensors` are those of the matrices, in order. Errors: kNotFound if there is none; kConflict
  /// if it is of another model, level or layout, or cut short; kIo.
  static Result<PackedFile> open(const PackedSource& source,
                                 std::span<const TensorInfo* const> tensors);

  /// Of tensors[i], once its pages are there. Errors: kIo if the disk can't give them.
  Result<Matrix> matrix(std::size_t i) const;

 private:
  PackedFile(Level level, std::vector<const TensorInfo*> tensors, std::vector<bool> bits,
             std::shared_ptr<const std::uint8_t[]> mapping, std::vector<std::size_t> offsets)
      : level_(level),
        tensors_(std::move(tensors)),
        are_7_bits_(std::move(bits)),
        mapping_(std::move(mapping)),
        offsets_(std::move(offsets)) {}

  Level level_;
  std::vector<const TensorInfo*> tensors_;
  std::vector<bool> are_7_bits_;
  std::shared_ptr<const std::uint8_t[]> mapping_;
  std::vector<std::size_t> offsets_;  // of the matrices, and where the last one ends
};

/// Writes the file of the model's matrices, in order; replaces what is there.
/// Errors: kResourceExhausted (disk), kPermissionDenied, kIo, kCancelled.
Result<std::filesystem::path> write_packed(const PackedSource& source,
                                           std::span<const Matrix* const> matrices,
                                           const LoadOptions& options);

}  // namespace weft::inference::cpu
