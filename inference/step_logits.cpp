#include "inference/step_logits.h"

#include <algorithm>
#include <utility>

#include "inference/head_rows.h"

namespace weft::inference {
namespace {

/// Where the groups of 16 rows that hold a needed one are a greater share of the head, all of it is
/// read, in one stream and for many rows at once.
constexpr std::size_t kSparseShare = 8;

}  // namespace

bool StepLogits::is_sparse(std::span<const std::uint64_t> needed) const noexcept {
  if (needed.empty()) return false;
  std::size_t groups = 0;
  for (const std::uint64_t word : needed) {
    for (unsigned shift = 0; shift < 64; shift += 16) groups += (word >> shift & 0xFFFF) != 0;
  }
  return groups * 16 * kSparseShare <= vocabulary_;
}

Result<void> StepLogits::hand_out(StepRunner& runner, const Rows& rows, std::size_t i,
                                  std::size_t at) {
  const std::span<const float> logits = std::span(logits_).subspan(at * vocabulary_, vocabulary_);
  std::vector<float>* last = i + 1 == rows.count ? rows.last : nullptr;
  const Hooks* hooks = rows.hooks ? rows.hooks(i) : nullptr;
  if (hooks == nullptr || hooks->head.count == 0) {
    rows.on_row(i, logits);
    if (last != nullptr && logits_.size() == vocabulary_) {
      last->swap(logits_);  // a megabyte with large vocabularies: not copied, not held twice
    } else if (last != nullptr) {
      last->assign(logits.data(), logits.data() + logits.size());
    }
    return {};
  }
  hidden_.resize(width_);
  WEFT_TRY_VOID(runner.hidden(rows.first + i, hidden_));
  extended_.assign(logits.data(), logits.data() + logits.size());
  extended_.resize(vocabulary_ + hooks->head.count);
  head_logits(hooks->head.weights, hidden_, std::span(extended_).subspan(vocabulary_));
  rows.on_row(i, extended_);
  if (last != nullptr) *last = extended_;
  return {};
}

Result<void> StepLogits::read(StepRunner& runner, const Rows& rows) {
  const auto needed = [&](std::size_t i) {
    return rows.needed ? rows.needed(i) : std::span<const std::uint64_t>();
  };
  for (std::size_t i = 0; i < rows.count;) {
    std::size_t n = 1;
    const auto few = needed(i);
    if (is_sparse(few)) {
      logits_.resize(std::max(logits_.size(), vocabulary_));
      WEFT_TRY_VOID(
          runner.sparse_logits(rows.first + i, few, std::span(logits_).first(vocabulary_)));
    } else {
      const std::size_t most = std::min(kLogitsRowsMax, rows.count - i);
      while (n < most && !is_sparse(needed(i + n))) ++n;
      logits_.resize(std::max(logits_.size(), n * vocabulary_));
      WEFT_TRY_VOID(runner.logits(rows.first + i, n, std::span(logits_).first(n * vocabulary_)));
    }
    for (std::size_t j = 0; j < n; ++j) {
      WEFT_TRY_VOID(hand_out(runner, rows, i + j, j));
    }
    i += n;
  }
  return {};
}

}  // namespace weft::inference
