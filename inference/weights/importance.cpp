#include "inference/weights/importance.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "inference/gguf.h"

namespace weft::inference {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

Result<std::vector<float>> values_of(const GgufFile& file, const TensorInfo& tensor) {
  std::vector<float> values(tensor.row_length() * tensor.rows());
  WEFT_TRY_VOID(file.read_rows(tensor, 0, tensor.rows(), values));
  return values;
}

}  // namespace

Result<ImportanceMatrix> ImportanceMatrix::open(const std::filesystem::path& path) {
  auto file = GgufFile::open(path);
  if (!file) {
    if (file.error().code != ErrorCode::kCorrupt) return file.error();
    return file.error().with_context(
        "an importance matrix must be a GGUF file (llama-imatrix --in-file OLD --output-format "
        "gguf converts an older one)");
  }
  ImportanceMatrix matrix;
  for (const TensorInfo& sums : file->tensors()) {
    if (!sums.name.ends_with(kSums)) continue;
    const std::string name = sums.name.substr(0, sums.name.size() - kSums.size());
    const auto refuse = [&](ErrorCode code, const std::string& why) {
      return Error{code, path.string() + ": the importance of '" + name + "' " + why};
    };
    const TensorInfo* counts = file->tensor(name + std::string(kCounts));
    if (counts == nullptr) return refuse(ErrorCode::kCorrupt, "has no count");
    if (sums.rows() != 1 || counts->rows() * counts->row_length() != 1) {
      return refuse(ErrorCode::kUnsupported, "is that of several experts, which isn't read");
    }
    WEFT_TRY(columns, values_of(*file, sums));
    WEFT_TRY(count, values_of(*file, *counts));
    if (!(count[0] >= 0) || !std::isfinite(count[0])) {
      return refuse(ErrorCode::kCorrupt, "has a count of " + std::to_string(count[0]));
    }
    if (count[0] == 0) continue;  // no token met it: nothing is known
    for (float& column : columns) column /= count[0];
    if (!std::ranges::all_of(columns, [](float v) { return v >= 0 && std::isfinite(v); })) {
      return refuse(ErrorCode::kCorrupt, "has a value that is negative or no number");
    }
    // Weights that are all zero would leave every grid as good as another.
    if (std::ranges::all_of(columns, [](float v) { return v == 0; })) continue;
    matrix.columns_[name] = std::move(columns);
  }
  if (matrix.columns_.empty()) {
    return Error{ErrorCode::kCorrupt, path.string() +
                                          " has no tensor named NAME.in_sum2: it isn't "
                                          "an importance matrix"};
  }
  return matrix;
}

std::span<const float> ImportanceMatrix::of(std::string_view tensor) const noexcept {
  const auto found = columns_.find(tensor);
  return found == columns_.end() ? std::span<const float>() : found->second;
}

}  // namespace weft::inference
