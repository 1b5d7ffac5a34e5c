#pragma once
// Tensors of a source to a GGUF file, in the formats that a plan gives them: read, quantised and
// written a few rows at a time. The result has the same bytes for any number of threads.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "inference/weights/gguf_writer.h"
#include "inference/weights/importance.h"
#include "inference/weights/tensor_source.h"

namespace weft::inference {

struct WriteModelOptions {
  std::vector<TensorType> types;                 // of each tensor
  const ImportanceMatrix* importance = nullptr;  // borrowed
  /// Else a block format that would be rounded again to another, or after a change, is refused.
  bool allow_requantize = false;
  std::size_t threads = 1;
  std::stop_token stop;
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> on_progress;
};

struct WrittenModel {
  std::uint64_t size_bytes = 0;
  std::uint64_t weight_bytes = 0;   // of the tensors
  std::uint64_t weights = 0;        // values
  std::size_t copied = 0;           // tensors whose blocks were copied
  std::size_t with_importance = 0;  // tensors that the importance matrix weighted
};

/// Errors: kInvalidArgument for types that aren't one a tensor; kPermissionDenied for what
/// allow_requantize would allow (named); kUnsupported for values that a format can't hold (tensor,
/// row and value); kCancelled; those of the source and of GgufWriter.
Result<WrittenModel> write_model(const TensorSource& source, const GgufMetadata& metadata,
                                 const std::filesystem::path& path,
                                 const WriteModelOptions& options);

}  // namespace weft::inference
