#include "inference/weights/write_model.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "inference/weights/quantize.h"

namespace weft::inference {
namespace {

constexpr std::size_t kCopyBytes = std::size_t{1} << 20;

class Writing {
 public:
  Writing(const TensorSource& source, GgufWriter& writer, const WriteModelOptions& options)
      : source_(source), writer_(writer), options_(options) {}

  Result<void> copy(std::size_t index) {
    const std::uint64_t size = source_.tensors()[index].size_bytes;
    bytes_.resize(std::min<std::uint64_t>(size, kCopyBytes));
    for (std::uint64_t offset = 0; offset < size; offset += kCopyBytes) {
      const auto piece =
          std::span(bytes_).first(std::min<std::uint64_t>(kCopyBytes, size - offset));
      WEFT_TRY_VOID(source_.read_blocks(index, offset, piece));
      WEFT_TRY_VOID(append(piece));
    }
    ++written.copied;
    return {};
  }

  Result<void> convert(std::size_t index, std::span<const float> importance) {
    const TensorInfo& tensor = source_.tensors()[index];
    const std::uint64_t step = rows_at_once(tensor);
    for (std::uint64_t first = 0; first < tensor.rows(); first += step) {
      const std::uint64_t count = std::min(step, tensor.rows() - first);
      floats_.resize(count * tensor.row_length());
      WEFT_TRY_VOID(source_.read_rows(index, first, count, floats_));
      WEFT_TRY_VOID(quantize_rows(tensor, options_.types[index], importance, first));
      WEFT_TRY_VOID(append(bytes_));
    }
    return {};
  }

  WrittenModel written;
  std::uint64_t total_bytes = 0;

 private:
  Result<void> append(std::span<const std::byte> bytes) {
    if (options_.stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "cancelled; nothing is kept"};
    }
    WEFT_TRY_VOID(writer_.append(bytes));
    written.weight_bytes += bytes.size();
    if (options_.on_progress) options_.on_progress(written.weight_bytes, total_bytes);
    return {};
  }

  /// floats_, rows from `first` on, into bytes_: each thread a run of rows.
  Result<void> quantize_rows(const TensorInfo& tensor, TensorType type,
                             std::span<const float> importance, std::uint64_t first) {
    const std::size_t length = tensor.row_length();
    const std::size_t rows = floats_.size() / length;
    const std::size_t size = row_bytes(type, length).value();  // the writer has checked it
    bytes_.resize(rows * size);
    const std::size_t threads = std::clamp<std::size_t>(options_.threads, 1, rows);
    std::vector<Result<void>> results(threads);
    const auto run = [&](std::size_t t) {
      for (std::size_t row = rows * t / threads; row < rows * (t + 1) / threads; ++row) {
        Result<void> done =
            quantize(type, std::span<const float>(floats_).subspan(row * length, length),
                     importance, std::span(bytes_).subspan(row * size, size));
        if (done) continue;
        results[t] = std::move(done).error().with_context("tensor '" + tensor.name + "', row " +
                                                          std::to_string(first + row));
        return;
      }
    };
    {
      std::vector<std::jthread> others;
      for (std::size_t t = 1; t < threads; ++t) others.emplace_back(run, t);
      run(0);
    }
    for (const Result<void>& result : results) WEFT_TRY_VOID(result);
    return {};
  }

  const TensorSource& source_;
  GgufWriter& writer_;
  const WriteModelOptions& options_;
  std::vector<float> floats_;
  std::vector<std::byte> bytes_;
};

Result<void> check_requantizing(const TensorInfo& tensor, TensorType type) {
  if (!is_block_format(tensor.type) || !is_block_format(type)) return {};
  return Error{ErrorCode::kPermissionDenied,
               "tensor '" + tensor.name + "' is " + std::string(to_string(tensor.type)) +
                   " already, and rounding it again to " + std::string(to_string(type)) +
                   " loses more than rounding the original; start from an F16 or BF16 file, "
                   "write floats (--type f16), or say --allow-requantize"};
}

Result<std::span<const float>> importance_of(const TensorInfo& tensor, TensorType type,
                                             const ImportanceMatrix* importance) {
  if (importance == nullptr || !is_block_format(type)) return std::span<const float>();
  const auto columns = importance->of(tensor.name);
  if (columns.empty() || columns.size() == tensor.row_length()) return columns;
  return Error{ErrorCode::kInvalidArgument,
               "the importance matrix has " + std::to_string(columns.size()) + " columns for '" +
                   tensor.name + "', which has " + std::to_string(tensor.row_length()) +
                   ": it was made for another model"};
}

}  // namespace

Result<WrittenModel> write_model(const TensorSource& source, const GgufMetadata& metadata,
                                 const std::filesystem::path& path,
                                 const WriteModelOptions& options) {
  const auto tensors = source.tensors();
  if (options.types.size() != tensors.size()) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(options.types.size()) + " types for " +
                                                  std::to_string(tensors.size()) + " tensors"};
  }
  const auto is_copy = [&](std::size_t i) {
    return source.is_stored(i) && tensors[i].type == options.types[i];
  };
  std::vector<TensorSpec> specs;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    specs.push_back({tensors[i].name, options.types[i], tensors[i].dims});
    if (options.allow_requantize || is_copy(i)) continue;
    WEFT_TRY_VOID(check_requantizing(tensors[i], options.types[i]));
  }
  WEFT_TRY(writer, GgufWriter::create(path, metadata, specs));
  Writing writing(source, writer, options);
  for (const TensorSpec& spec : specs) writing.total_bytes += spec.size_bytes();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    writing.written.weights += tensors[i].row_length() * tensors[i].rows();
    if (is_copy(i)) {
      WEFT_TRY_VOID(writing.copy(i));
      continue;
    }
    WEFT_TRY(importance, importance_of(tensors[i], options.types[i], options.importance));
    if (!importance.empty()) ++writing.written.with_importance;
    WEFT_TRY_VOID(writing.convert(i, importance));
  }
  WEFT_TRY_VOID(writer.finish());
  writing.written.size_bytes = writer.size_bytes();
  return writing.written;
}

}  // namespace weft::inference
