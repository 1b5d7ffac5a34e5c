#include "inference/session.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "inference/adapter/attached_adapter.h"
#include "inference/backend.h"
#include "inference/kv_cache.h"
#include "inference/prefix_cache.h"
#include "inference/sampler.h"
#include "inference/step_logits.h"

namespace weft::inference {
namespace {

/// What runs the steps. Forks share it, so it is locked for an append.
struct Workspace {
  Workspace(std::unique_ptr<StepRunner> steps, const ModelConfig& config)
      : runner(std::move(steps)), logits(config) {}
  std::mutex mutex;
  std::unique_ptr<StepRunner> runner;
  StepLogits logits;
};

struct OnRow {
  std::function<void(std::size_t, std::span<const float>)> take;
  NeededTokens needed = {};
};

}  // namespace

struct Session::State {
  std::shared_ptr<const Model> model;
  std::size_t context_length = 0;
  KvCache cache;
  std::vector<TokenId> tokens;
  /// How many of them were read as such: past a row of floats, or what hooks changed, keys and
  /// values aren't those of the tokens.
  std::size_t plain = 0;
  std::vector<float> logits;
  std::shared_ptr<Workspace> workspace;
  PrefixCache* prefixes = nullptr;
  std::shared_ptr<const AttachedAdapter> adapter;
  std::optional<HookRun> hooks = {};
  std::string policy = {};  // that the tokens were read with

  PrefixCache::Space space() const {
    return {.numerics = numerics_of(*model, adapter.get()), .policy = policy_of(attached())};
  }
  const AdapterWeights* adapter_weights() const {
    return adapter == nullptr ? nullptr : &adapter->weights();
  }
  bool has_policy() const { return tokens.empty() || policy == policy_of(attached()); }
  std::span<const TokenId> plain_tokens() const { return std::span(tokens).first(plain); }
  const Hooks* attached() const { return hooks ? &hooks->hooks() : nullptr; }
  void truncate(std::size_t length);
  /// Those of the vocabulary, and `more` beyond it.
  Result<void> check(std::span<const TokenId> ids, std::size_t more = 0) const;
  Result<void> check_room(std::size_t count) const;
  /// `rows` as in Slice; what is read was checked before.
  Result<void> read(std::span<const TokenId> ids, std::span<const float> rows,
                    std::size_t first_wanted, const OnRow* on_row, const std::stop_token& stop);
  /// Logits after `count` wanted tokens of the step from `first` on; the last stay in `logits`.
  Result<void> hand_out(std::size_t first, std::size_t count, const OnRow& on_row);
};

void Session::State::truncate(std::size_t length) {
  cache.truncate(length);
  tokens.resize(length);
  plain = std::min(plain, length);
  logits.clear();
}

Result<void> Session::State::check(std::span<const TokenId> ids, std::size_t more) const {
  if (ids.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to append"};
  const auto vocabulary = static_cast<TokenId>(model->config().vocabulary + more);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocabulary) {
      return Error{ErrorCode::kInvalidArgument,
                   "token " + std::to_string(ids[i]) + " at index " + std::to_string(i) +
                       " is outside the vocabulary of " + std::to_string(vocabulary)};
    }
  }
  return check_room(ids.size());
}

Result<void> Session::State::check_room(std::size_t count) const {
  if (!has_policy()) {
    return Error{ErrorCode::kInvalidArgument,
                 "what was read has another attention, position or layer policy than the hooks now "
                 "attached; attach its own, or truncate to 0 and read anew"};
  }
  const std::size_t room = context_length - tokens.size();
  if (count > room) {
    return Error{ErrorCode::kResourceExhausted,
                 "the context of " + std::to_string(context_length) + " tokens holds " +
                     std::to_string(tokens.size()) + "; " + std::to_string(count) + " more are " +
                     std::to_string(count - room) + " too many"};
  }
  return {};
}

Result<void> Session::State::hand_out(std::size_t first, std::size_t count, const OnRow& on_row) {
  return workspace->logits.read(*workspace->runner,
                                {.first = first,
                                 .count = count,
                                 .hooks = [this](std::size_t) { return attached(); },
                                 .needed = on_row.needed,
                                 .on_row =
                                     [&](std::size_t i, std::span<const float> row) {
                                       on_row.take(i, row);
                                       if (i + 1 == count)
                                         logits.assign(row.data(), row.data() + row.size());
                                     }});
}

Result<void> Session::State::read(std::span<const TokenId> ids, std::span<const float> rows,
                                  std::size_t first_wanted, const OnRow* on_row,
                                  const std::stop_token& stop) {
  const std::scoped_lock lock(workspace->mutex);
  // All or nothing: whatever ends this early, also an exception of on_row, leaves what was read, or
  // nothing where the backend can't go back.
  struct Rollback {
    State& state;
    std::size_t length;
    ~Rollback() {
      if (!state.cache.can_truncate(length)) {
        state.truncate(0);
      } else {
        state.cache.truncate(length);
      }
    }
  } rollback{*this, cache.length()};

  StepRunner& runner = *workspace->runner;
  for (std::size_t begin = 0; begin < ids.size(); begin += kStepTokensMax) {
    if (stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "reading the prompt was cancelled after " +
                                              std::to_string(begin) + " of " +
                                              std::to_string(ids.size()) + " tokens"};
    }
    const auto chunk = ids.subspan(begin, std::min(kStepTokensMax, ids.size() - begin));
    const bool is_last = begin + chunk.size() == ids.size();
    std::size_t first = first_wanted > begin ? std::min(first_wanted - begin, chunk.size()) : 0;
    if (is_last) first = std::min(first, chunk.size() - 1);
    const std::size_t width = model->config().width;
    const auto chunk_rows = rows.empty() ? rows : rows.subspan(begin * width, chunk.size() * width);
    const Slice slice{
        chunk, &cache, first, chunk_rows, adapter_weights(), hooks ? &*hooks : nullptr};
    WEFT_TRY_VOID(runner.read(std::span(&slice, 1)));
    if (hooks && hooks->error() != nullptr) return *hooks->error();
    if (on_row != nullptr && begin + chunk.size() > first_wanted) {
      const std::size_t at = begin + first;
      OnRow from_here{
          [&](std::size_t i, std::span<const float> row) { on_row->take(at + i, row); }};
      if (on_row->needed) {
        from_here.needed = [&](std::size_t i) { return on_row->needed(at + i); };
      }
      WEFT_TRY_VOID(hand_out(0, chunk.size() - first, from_here));
    } else if (is_last) {
      WEFT_TRY_VOID(
          hand_out(chunk.size() - 1 - first, 1, {[](std::size_t, std::span<const float>) {}}));
    }
  }
  if (plain == tokens.size() && rows.empty() && !changes_keys(attached())) plain += ids.size();
  if (tokens.empty()) policy = policy_of(attached());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  rollback.length = cache.length();
  return {};
}

Result<Session> Session::open(std::shared_ptr<const Model> model, const SessionOptions& options) {
  const ModelConfig& config = model->config();
  if (options.context_length_max > config.context_length) {
    return Error{ErrorCode::kInvalidArgument,
                 "a context of " + std::to_string(options.context_length_max) +
                     " tokens was asked for; the model was trained for " +
                     std::to_string(config.context_length)};
  }
  WEFT_TRY_VOID(check_attached(options.adapter.get(), *model));
  WEFT_TRY(runner, model->weights().open_runner());
  KvCache cache(runner->kv_memory());
  auto state = std::make_unique<State>(
      State{model,
            options.context_length_max != 0 ? options.context_length_max : config.context_length,
            std::move(cache),
            {},
            0,
            {},
            std::make_shared<Workspace>(std::move(runner), config),
            options.prefixes,
            options.adapter});
  return Session(std::move(state));
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<void> Session::append(std::span<const TokenId> ids, std::stop_token stop) {
  WEFT_TRY_VOID(state_->check(ids));
  return state_->read(ids, {}, ids.size(), nullptr, stop);
}

Result<void> Session::append(std::span<const float> rows, std::stop_token stop) {
  const std::size_t width = state_->model->config().width;
  if (rows.empty() || rows.size() % width != 0) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(rows.size()) +
                                                  " values aren't rows of the model's width, " +
                                                  std::to_string(width)};
  }
  const auto bad = std::ranges::find_if_not(rows, [](float v) { return std::isfinite(v); });
  if (bad != rows.end()) {
    const auto at = static_cast<std::size_t>(bad - rows.begin());
    return Error{ErrorCode::kInvalidArgument, "value " + std::to_string(at % width) + " of row " +
                                                  std::to_string(at / width) + " isn't finite"};
  }
  WEFT_TRY_VOID(state_->check_room(rows.size() / width));
  const std::vector<TokenId> ids(rows.size() / width, kNoToken);
  return state_->read(ids, rows, ids.size(), nullptr, stop);
}

Result<void> Session::append_each(
    std::span<const TokenId> ids, std::size_t first,
    const std::function<void(std::size_t i, std::span<const float> logits)>& on_row,
    std::stop_token stop) {
  WEFT_TRY_VOID(state_->check(ids));
  const OnRow each{on_row};
  return state_->read(ids, {}, first, &each, stop);
}

Result<void> Session::append_each(
    std::span<const TokenId> ids, std::size_t first,
    const std::function<void(std::size_t i, std::span<const float> logits)>& on_row,
    const std::function<std::span<const std::uint64_t>(std::size_t i)>& needed) {
  WEFT_TRY_VOID(state_->check(ids));
  const OnRow each{on_row, needed};
  WEFT_TRY_VOID(state_->read(ids, {}, first, &each, {}));
  state_->logits.clear();
  return {};
}

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
    if (!read.empty()) WEFT_TRY_VOID(state.check(read));
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

Result<Session::HookScope> Session::attach(std::shared_ptr<const Hooks> hooks) {
  if (hooks == nullptr) return Error{ErrorCode::kInvalidArgument, "there are no hooks to attach"};
  if (state_->hooks) {
    return Error{ErrorCode::kInvalidArgument,
                 "hooks are attached to the session already; let their scope end first"};
  }
  WEFT_TRY_VOID(validate(*hooks, state_->model->config()));
  state_->hooks.emplace(std::move(hooks));
  return HookScope(*state_);
}

Session::HookScope::~HookScope() {
  if (state_ != nullptr) state_->hooks.reset();
}

Session Session::fork() const {
  auto state = std::make_unique<State>(*state_);
  state->hooks.reset();
  return Session(std::move(state));
}

Result<void> Session::truncate(std::size_t length) {
  if (length > state_->tokens.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 "can't keep " + std::to_string(length) + " tokens; only " +
                     std::to_string(state_->tokens.size()) + " were read"};
  }
  if (!state_->cache.can_truncate(length)) {
    return Error{ErrorCode::kUnsupported,
                 "can't keep " + std::to_string(length) + " of " +
                     std::to_string(state_->tokens.size()) + " tokens: " +
                     state_->model->backend() + " has dropped what it would need, and goes back " +
                     std::to_string(state_->workspace->runner->kv_memory()->truncate_max()) +
                     " tokens at most; truncate to 0 and read anew"};
  }
  state_->truncate(length);
  return {};
}

std::size_t Session::resume(std::span<const TokenId> ids) {
  State& state = *state_;
  ids = ids.first(reads_all(state.attached()) ? 0 : std::min(ids.size(), state.context_length));
  const auto own = state.has_policy() ? state.plain_tokens() : std::span<const TokenId>();
  auto common = static_cast<std::size_t>(std::ranges::mismatch(own, ids).in1 - own.begin());
  if (state.prefixes != nullptr && common < ids.size()) {
    KvCache found = state.prefixes->find(state.space(), ids, state.workspace->runner->kv_memory());
    if (found.length() > common) {
      state.tokens.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(found.length()));
      state.plain = state.tokens.size();
      state.policy = policy_of(state.attached());
      state.cache = std::move(found);
      state.logits.clear();
      return state.tokens.size();
    }
  }
  if (common == state.tokens.size()) return common;
  if (!state.cache.can_truncate(common)) common = 0;
  state.truncate(common);
  return common;
}

bool Session::has_read(std::span<const TokenId> ids) const noexcept {
  return !state_->logits.empty() && !reads_all(state_->attached()) && state_->has_policy() &&
         std::ranges::equal(state_->plain_tokens(), ids) && state_->plain == state_->tokens.size();
}

void Session::remember() const {
  const State& state = *state_;
  if (state.prefixes == nullptr) return;
  auto space = state.space();
  space.policy = state.policy;
  state.prefixes->insert(space, state.plain_tokens(), state.cache);
}

std::span<const float> Session::logits() const noexcept { return state_->logits; }
std::span<const TokenId> Session::tokens() const noexcept { return state_->tokens; }
std::size_t Session::context_length() const noexcept { return state_->context_length; }
std::size_t Session::kv_bytes() const noexcept { return state_->cache.size_bytes(); }
const Model& Session::model() const noexcept { return *state_->model; }
NumericsId Session::numerics() const { return state_->space().numerics; }

}  // namespace weft::inference
