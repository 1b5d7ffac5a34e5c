#include "inference/weights/vocabulary.h"

#include <algorithm>
#include <string>

namespace weft::inference {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";

bool has_a_row_a_token(const TensorInfo& tensor) {
  return tensor.dims.size() == 2 &&
         (tensor.name == "token_embd.weight" || tensor.name == "output.weight");
}

}  // namespace

Result<std::uint64_t> common_vocabulary(const GgufFile& a, const GgufFile& b) {
  WEFT_TRY(first, a.strings(kTokens));
  WEFT_TRY(second, b.strings(kTokens));
  const auto [in_first, in_second] = std::ranges::mismatch(first, second);
  if (in_first != first.end() && in_second != second.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "token " + std::to_string(in_first - first.begin()) + " is another in " +
                     a.path().string() + " than in " + b.path().string() +
                     ": only vocabularies of which one begins the other can be merged"};
  }
  return std::max(first.size(), second.size());
}

PaddedVocabulary::PaddedVocabulary(const TensorSource& source, std::uint64_t tokens)
    : source_(source),
      tensors_(source.tensors().begin(), source.tensors().end()),
      means_(tensors_.size()) {
  for (TensorInfo& tensor : tensors_) {
    if (has_a_row_a_token(tensor)) tensor.dims[1] = std::max(tensor.dims[1], tokens);
  }
}

bool PaddedVocabulary::is_stored(std::size_t index) const noexcept {
  return source_.is_stored(index) && tensors_[index].dims == source_.tensors()[index].dims;
}

Result<void> PaddedVocabulary::read_blocks(std::size_t index, std::uint64_t offset,
                                           std::span<std::byte> out) const {
  if (is_stored(index)) return source_.read_blocks(index, offset, out);
  return Error{ErrorCode::kInvalidArgument,
               "tensor '" + tensors_[index].name + "' has rows that no file stores"};
}

Result<std::vector<float>> PaddedVocabulary::mean_row(std::size_t index) const {
  const std::scoped_lock lock(mutex_);
  std::vector<float>& mean = means_[index];
  if (!mean.empty()) return mean;
  const TensorInfo& tensor = source_.tensors()[index];
  std::vector<double> sums(tensor.row_length());
  std::vector<float> rows;
  const std::uint64_t step = rows_at_once(tensor);
  for (std::uint64_t first = 0; first < tensor.rows(); first += step) {
    const std::uint64_t count = std::min(step, tensor.rows() - first);
    rows.resize(count * sums.size());
    WEFT_TRY_VOID(source_.read_rows(index, first, count, rows));
    for (std::size_t i = 0; i < rows.size(); ++i) sums[i % sums.size()] += rows[i];
  }
  for (const double sum : sums) {
    mean.push_back(static_cast<float>(sum / static_cast<double>(tensor.rows())));
  }
  return mean;
}

Result<void> PaddedVocabulary::read_rows(std::size_t index, std::uint64_t first,
                                         std::uint64_t count, std::span<float> out) const {
  const TensorInfo& tensor = tensors_[index];
  const std::uint64_t theirs = source_.tensors()[index].rows();
  if (first > tensor.rows() || count > tensor.rows() - first ||
      out.size() != count * tensor.row_length()) {
    return Error{ErrorCode::kInvalidArgument, "rows of '" + tensor.name + "' that it doesn't have"};
  }
  const std::uint64_t stored = first < theirs ? std::min(count, theirs - first) : 0;
  const auto stored_rows = out.first(stored * tensor.row_length());
  if (stored > 0) WEFT_TRY_VOID(source_.read_rows(index, first, stored, stored_rows));
  if (stored == count) return {};
  WEFT_TRY(mean, mean_row(index));
  for (auto rest = out.subspan(stored_rows.size()); !rest.empty();
       rest = rest.subspan(mean.size())) {
    std::ranges::copy(mean, rest.begin());
  }
  return {};
}

}  // namespace weft::inference
