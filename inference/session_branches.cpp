// What a session reads beside itself: continuations to score, and trees of them.

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "inference/sampler.h"
#include "inference/session_state.h"
#include "inference/tree_branches.h"

namespace weft::inference {

Result<std::vector<ContinuationScore>> Session::score(
    std::span<const std::vector<TokenId>> continuations, std::stop_token stop) const {
  const State& state = *state_;
  if (state.logits.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "there are no logits to score with: append what the continuations follow first"};
  }
  std::vector<ContinuationScore> scores(continuations.size());
  for (std::size_t i = 0; i < continuations.size(); ++i) {
    // Its last token needn't be one that the model can read.
    const auto read = std::span(continuations[i])
                          .first(continuations[i].empty() ? 0 : continuations[i].size() - 1);
    WEFT_TRY_VOID(
        state.check(continuations[i], state.logits.size() - state.model->config().vocabulary));
    if (!read.empty()) WEFT_TRY_VOID(state.check(read, head_inputs(state.attached())));
    scores[i].log_probabilities = {log_probability(state.logits, continuations[i].front())};
  }
  const std::scoped_lock lock(state.workspace->mutex);
  StepRunner& runner = *state.workspace->runner;
  std::vector<KvCache> caches(continuations.size(), state.cache);
  auto hooks = state.hooks;  // what it throws is this call's
  // A continuation's last token needn't be read: nothing after it is scored.
  const auto read = [&](std::size_t i) { return scores[i].log_probabilities.size() - 1; };
  const auto left = [&](std::size_t i) { return continuations[i].size() - 1 - read(i); };
  for (std::size_t next = 0; next < continuations.size();) {
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "scoring was cancelled"};
    std::vector<Slice> slices;
    std::vector<std::pair<std::size_t, std::size_t>> targets;  // continuation, token scored
    for (std::size_t i = next; i < continuations.size(); ++i) {
      const std::size_t room = kStepTokensMax - targets.size();
      const std::size_t n = std::min(left(i), room);
      if (n == 0) continue;
      slices.push_back({.ids = std::span(continuations[i]).subspan(read(i), n),
                        .cache = &caches[i],
                        .adapter = state.adapter_weights(),
                        .hooks = hooks ? &*hooks : nullptr});
      for (std::size_t j = 1; j <= n; ++j) targets.emplace_back(i, read(i) + j);
    }
    if (!slices.empty()) WEFT_TRY_VOID(runner.read(slices));
    if (hooks && hooks->error() != nullptr) return *hooks->error();
    const auto on_row = [&](std::size_t row, std::span<const float> logits) {
      const auto [i, token] = targets[row];
      scores[i].log_probabilities.push_back(log_probability(logits, continuations[i][token]));
    };
    WEFT_TRY_VOID(state.workspace->logits.read(
        runner, {.count = targets.size(),
                 .hooks = [&](std::size_t) { return state.attached(); },
                 .on_row = on_row}));
    while (next < continuations.size() && left(next) == 0) ++next;
  }
  for (ContinuationScore& score : scores) {
    for (const float value : score.log_probabilities) {
      score.sum_log_probability += static_cast<double>(value);
    }
  }
  return scores;
}

Result<void> Session::append_tree(
    const TokenTree& tree,
    const std::function<void(std::size_t node, std::span<const float> logits)>& on_row,
    const std::function<std::optional<std::size_t>()>& choose) {
  State& state = *state_;
  WEFT_TRY_VOID(validate(tree));
  WEFT_TRY_VOID(state.check_ids(tree.ids, head_inputs(state.attached())));
  WEFT_TRY_VOID(state.check_room(tree.depth()));
  const std::scoped_lock lock(state.workspace->mutex);
  StepRunner& runner = *state.workspace->runner;
  if (!runner.can_fork()) {
    return Error{
        ErrorCode::kUnsupported,
        state.model->backend() +
            " reads no trees; append each of their paths to a fork of the session instead"};
  }
  const std::vector<TreeBranch> branches = branches_of(tree);
  std::vector<KvCache> caches(branches.size(), state.beginning());
  std::vector<Slice> slices;
  std::vector<std::size_t> nodes;  // of the step's rows
  for (std::size_t b = 0; b < branches.size(); ++b) {
    slices.push_back({.ids = branches[b].ids,
                      .cache = &caches[b],
                      .adapter = state.adapter_weights(),
                      .hooks = state.hooks ? &*state.hooks : nullptr,
                      .fork = branches[b].fork});
    nodes.insert(nodes.end(), branches[b].nodes.begin(), branches[b].nodes.end());
  }
  WEFT_TRY_VOID(runner.read(slices));
  if (state.hooks && state.hooks->error() != nullptr) return *state.hooks->error();
  WEFT_TRY_VOID(state.workspace->logits.read(
      runner, {.count = nodes.size(),
               .hooks = [&](std::size_t) { return state.attached(); },
               .on_row = [&](std::size_t row,
                             std::span<const float> logits) { on_row(nodes[row], logits); }}));

  const std::optional<std::size_t> kept = choose();
  if (!kept) return {};
  const auto row = std::ranges::find(nodes, *kept);
  if (row == nodes.end()) {
    return Error{ErrorCode::kInvalidArgument, "there is no node " + std::to_string(*kept) +
                                                  " in the tree of " +
                                                  std::to_string(nodes.size()) + " to keep"};
  }
  // Again, which costs less than keeping all rows.
  WEFT_TRY_VOID(state.hand_out(static_cast<std::size_t>(row - nodes.begin()), 1,
                               {[](std::size_t, std::span<const float>) {}}));
  const auto branch = std::ranges::find_if(
      branches, [&](const TreeBranch& each) { return std::ranges::count(each.nodes, *kept) != 0; });
  const std::vector<TokenId> path = tree.path(*kept);
  state.cache = std::move(caches[static_cast<std::size_t>(branch - branches.begin())]);
  state.cache.truncate(state.tokens.size() + path.size());
  drop_hidden(state.cache, state.attached());
  state.add(path);
  return {};
}

}  // namespace weft::inference
