#include "inference/gem_filter.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "inference/hooks.h"
#include "inference/session.h"

namespace weft::inference {
namespace {

Result<void> check(const GemFilterOptions& options, const ModelConfig& config) {
  if (options.layer >= config.layers) {
    return Error{ErrorCode::kInvalidArgument, "there is no layer " + std::to_string(options.layer) +
                                                  " to score with; the model has " +
                                                  std::to_string(config.layers)};
  }
  if (options.pool % 2 == 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "scores can't be averaged over " + std::to_string(options.pool) +
                     " positions: an odd number has one in its middle"};
  }
  if (options.keep != 0 && options.pin_first <= options.keep &&
      options.pin_last <= options.keep - options.pin_first) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument,
               "of " + std::to_string(options.keep) + " tokens to keep, " +
                   std::to_string(options.pin_first) + " and " + std::to_string(options.pin_last) +
                   " are pinned: keep at least one, and as many as are pinned"};
}

}  // namespace

std::vector<float> pool_scores(std::span<const float> scores, std::size_t width) {
  const std::size_t reach = width / 2;
  std::vector<float> pooled(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::size_t begin = i - std::min(i, reach);
    const std::size_t end = std::min(scores.size(), i + reach + 1);
    double sum = 0;
    for (std::size_t j = begin; j < end; ++j) sum += static_cast<double>(scores[j]);
    pooled[i] = static_cast<float>(sum / static_cast<double>(width));
  }
  return pooled;
}

std::vector<std::size_t> select_positions(std::span<const float> scores,
                                          const GemFilterOptions& options) {
  const std::size_t n = scores.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (options.keep >= n) return order;
  const std::vector<float> pooled = pool_scores(scores, options.pool);
  const auto is_pinned = [&](std::size_t i) {
    return i < options.pin_first || i >= n - options.pin_last;
  };
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    if (is_pinned(a) != is_pinned(b)) return is_pinned(a);
    return pooled[a] > pooled[b];
  });
  order.resize(options.keep);
  std::ranges::sort(order);
  return order;
}

Result<std::vector<std::size_t>> gem_select(const std::shared_ptr<const Model>& model,
                                            std::span<const TokenId> ids,
                                            const GemFilterOptions& options, std::stop_token stop) {
  WEFT_TRY_VOID(check(options, model->config()));
  if (ids.size() <= options.keep) return select_positions(std::vector<float>(ids.size()), options);
  std::vector<float> scores(ids.size());
  Hooks hooks;
  hooks.program.emplace(options.layer + 1);
  std::iota(hooks.program->begin(), hooks.program->end(), std::size_t{0});
  hooks.scores.push_back({.layer = options.layer,
                          .kind = ScoreTap::Kind::kProducts,
                          .read = [&](const ScoreRows& rows) {
                            // Of the last token: no other's logits are wanted.
                            for (std::size_t i = 0; i < rows.values.size(); ++i) {
                              scores[i % scores.size()] += rows.values[i];
                            }
                          }});
  WEFT_TRY(session, Session::open(model));
  WEFT_TRY(scope, session.attach(std::make_shared<const Hooks>(std::move(hooks))));
  WEFT_TRY_VOID(session.append(ids, std::move(stop)));
  return select_positions(scores, options);
}

std::vector<TokenId> gather(std::span<const TokenId> ids, std::span<const std::size_t> positions) {
  std::vector<TokenId> gathered;
  for (const std::size_t position : positions) gathered.push_back(ids[position]);
  return gathered;
}

}  // namespace weft::inference
