#include "inference/momentum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace weft::inference {
namespace {

// Probabilities and resistances of candidates are small beside it.
constexpr float kOutside = 1000;

class Momentum : public StatelessProcessor {
 public:
  explicit Momentum(MomentumOptions options) : options_(std::move(options)) {}

  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = true, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override {
    return std::make_unique<Momentum>(options_);
  }

  Result<void> apply(const LogitsRow& row) override {
    const auto logits = row.logits;
    const float highest = std::ranges::max(logits);
    if (!std::isfinite(highest)) return {};  // nothing is left to choose from: the caller says so
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit - highest));

    std::vector<TokenId> order(logits.size());
    std::iota(order.begin(), order.end(), TokenId{0});
    const std::size_t k = std::min(options_.k, order.size());
    std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(k),
                              [&](TokenId a, TokenId b) {
                                const float x = logits[static_cast<std::size_t>(a)],
                                            y = logits[static_cast<std::size_t>(b)];
                                return x != y ? x > y : a < b;
                              });
    std::vector<float> scores;
    for (const TokenId id : std::span(order).first(k))
      scores.push_back(score(row, id, highest, sum));
    for (float& logit : logits) logit -= highest + kOutside;
    for (std::size_t i = 0; i < k; ++i) logits[static_cast<std::size_t>(order[i])] = scores[i];
    return {};
  }

 private:
  float score(const LogitsRow& row, TokenId id, float highest, double sum) const {
    const float below = row.logits[static_cast<std::size_t>(id)] - highest;
    if (std::isinf(below)) return below;
    const std::size_t length = repeated_length(row.tokens, id, options_.resistance.size());
    if (length == options_.resistance.size()) return below - 2 * kOutside;
    const auto p = static_cast<float>(std::exp(static_cast<double>(below)) / sum);
    return p - options_.alpha * options_.resistance[length];
  }

  MomentumOptions options_;
};

}  // namespace

std::size_t repeated_length(std::span<const TokenId> tokens, TokenId next, std::size_t most) {
  std::size_t longest = 0;
  for (std::size_t end = 0; end < tokens.size() && longest < most; ++end) {
    if (tokens[end] != next) continue;
    std::size_t length = 1;
    while (length < most && length <= end &&
           tokens[end - length] == tokens[tokens.size() - length]) {
      ++length;
    }
    longest = std::max(longest, length);
  }
  return longest;
}

Result<std::shared_ptr<const LogitsProcessor>> momentum(MomentumOptions options) {
  if (options.k == 0 || options.resistance.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "momentum needs at least one candidate and one resistance"};
  }
  if (!std::isfinite(options.alpha) || options.alpha < 0) {
    return Error{ErrorCode::kInvalidArgument, "momentum's alpha is " +
                                                  std::to_string(options.alpha) +
                                                  "; it must be at least 0, and 0.2 is usual"};
  }
  return std::shared_ptr<const LogitsProcessor>(std::make_shared<Momentum>(std::move(options)));
}

}  // namespace weft::inference
