#include "inference/step_logits.h"

#include <algorithm>

#include "inference/head_rows.h"

namespace weft::inference {
Result<void> StepLogits::hand_out(StepRunner& runner, const Rows& rows, std::size_t i,
                                  std::span<const float> logits) {
  const Hooks* hooks = rows.hooks ? rows.hooks(i) : nullptr;
  if (hooks == nullptr || hooks->head.count == 0) {
    rows.on_row(i, logits);
    return {};
  }
  hidden_.resize(width_);
  WEFT_TRY_VOID(runner.hidden(rows.first + i, hidden_));
  extended_.assign(logits.begin(), logits.end());
  extended_.resize(vocabulary_ + hooks->head.count);
  head_logits(hooks->head.weights, hidden_, std::span(extended_).subspan(vocabulary_));
  rows.on_row(i, extended_);
  return {};
}

Result<void> StepLogits::read(StepRunner& runner, const Rows& rows) {
  for (std::size_t i = 0; i < rows.count;) {
    const std::size_t n = std::min(kLogitsRowsMax, rows.count - i);
    logits_.resize(std::max(logits_.size(), n * vocabulary_));
    WEFT_TRY_VOID(runner.logits(rows.first + i, n, std::span(logits_).first(n * vocabulary_)));
    for (std::size_t j = 0; j < n; ++j) {
      WEFT_TRY_VOID(
          hand_out(runner, rows, i + j, std::span(logits_).subspan(j * vocabulary_, vocabulary_)));
    }
    i += n;
  }
  return {};
}

}  // namespace weft::inference
