#include "inference/session.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>

#include "inference/adapter/attached_adapter.h"
#include "inference/backend.h"
#include "inference/kv_cache.h"
#include "inference/prefix_cache.h"
#include "inference/sampler.h"

namespace weft::inference {
namespace {

/// What runs the steps. Forks share it, so it is locked for an append.
struct Workspace {
  explicit Workspace(std::unique_ptr<StepRunner> steps) : runner(std::move(steps)) {}
  std::mutex mutex;
  std::unique_ptr<StepRunner> runner;
  std::vector<float> logits;  // (kLogitsRowsMax, vocabulary) of append_each
};

using OnRow = std::function<void(std::size_t, std::span<const float>)>;

}  // namespace

struct Session::State {
  std::shared_ptr<const Model> model;
  std::size_t context_length = 0;
  KvCache cache;
  std::vector<TokenId> tokens;
  std::vector<float> logits;
  std::shared_ptr<Workspace> workspace;
  PrefixCache* prefixes = nullptr;
  std::shared_ptr<const AttachedAdapter> adapter;

  PrefixCache::Space space() const { return {numerics_of(*model, adapter.get())}; }
  const AdapterWeights* adapter_weights() const {
    return adapter == nullptr ? nullptr : &adapter->weights();
  }
  std::size_t token_length() const;
  Result<void> check(std::span<const TokenId> ids) const;
  Result<void> check_room(std::size_t count) const;
  /// `rows` as in Slice; what is read was checked before.
  Result<void> read(std::span<const TokenId> ids, std::span<const float> rows,
                    std::size_t first_wanted, const OnRow* on_row, const std::stop_token& stop);
  Result<void> hand_out(std::size_t begin, std::size_t count, const OnRow& on_row);
};

/// Of the tokens before the first row of floats: where rows were read, no token is what was read.
std::size_t Session::State::token_length() const {
  return static_cast<std::size_t>(std::ranges::find(tokens, kNoToken) - tokens.begin());
}

Result<void> Session::State::check(std::span<const TokenId> ids) const {
  if (ids.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to append"};
  const auto vocabulary = static_cast<TokenId>(model->config().vocabulary);
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
  const std::size_t room = context_length - tokens.size();
  if (count > room) {
    return Error{ErrorCode::kResourceExhausted,
                 "the context of " + std::to_string(context_length) + " tokens holds " +
                     std::to_string(tokens.size()) + "; " + std::to_string(count) + " more are " +
                     std::to_string(count - room) + " too many"};
  }
  return {};
}

/// Logits of the chunk's wanted rows, a few at a time; `begin` is the index of the first. Those of
/// the last stay in `logits`.
Result<void> Session::State::hand_out(std::size_t begin, std::size_t count, const OnRow& on_row) {
  const std::size_t vocabulary = model->config().vocabulary;
  std::vector<float>& rows = workspace->logits;
  for (std::size_t done = 0; done < count; done += kLogitsRowsMax) {
    const std::size_t n = std::min(kLogitsRowsMax, count - done);
    if (rows.size() < n * vocabulary) rows.resize(n * vocabulary);
    WEFT_TRY_VOID(workspace->runner->logits(done, n, std::span(rows).first(n * vocabulary)));
    for (std::size_t i = 0; i < n; ++i) {
      on_row(begin + done + i, std::span(rows).subspan(i * vocabulary, vocabulary));
    }
    logits.assign(rows.begin() + static_cast<std::ptrdiff_t>((n - 1) * vocabulary),
                  rows.begin() + static_cast<std::ptrdiff_t>(n * vocabulary));
  }
  return {};
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
        length = 0;
        state.tokens.clear();
        state.logits.clear();
      }
      state.cache.truncate(length);
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
    const Slice slice{chunk, &cache, first, chunk_rows, adapter_weights()};
    WEFT_TRY_VOID(runner.read(std::span(&slice, 1)));
    if (on_row != nullptr && begin + chunk.size() > first_wanted) {
      WEFT_TRY_VOID(hand_out(begin + first, chunk.size() - first, *on_row));
    } else if (is_last) {
      logits.resize(model->config().vocabulary);
      WEFT_TRY_VOID(runner.logits(chunk.size() - 1 - first, 1, logits));
    }
  }
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
            {},
            std::make_shared<Workspace>(std::move(runner)),
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
  return state_->read(ids, {}, first, &on_row, stop);
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
    WEFT_TRY_VOID(state.check(continuations[i]));
    scores[i].log_probabilities = {log_probability(state.logits, continuations[i].front())};
  }
  const std::scoped_lock lock(state.workspace->mutex);
  StepRunner& runner = *state.workspace->runner;
  const std::size_t vocabulary = state.model->config().vocabulary;
  std::vector<float>& rows = state.workspace->logits;
  std::vector<KvCache> caches(continuations.size(), state.cache);
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
                        .adapter = state.adapter_weights()});
      for (std::size_t j = 1; j <= n; ++j) targets.emplace_back(i, read(i) + j);
    }
    if (!slices.empty()) WEFT_TRY_VOID(runner.read(slices));
    for (std::size_t begin = 0; begin < targets.size(); begin += kLogitsRowsMax) {
      const std::size_t n = std::min(kLogitsRowsMax, targets.size() - begin);
      if (rows.size() < n * vocabulary) rows.resize(n * vocabulary);
      WEFT_TRY_VOID(runner.logits(begin, n, std::span(rows).first(n * vocabulary)));
      for (std::size_t j = 0; j < n; ++j) {
        const auto [i, token] = targets[begin + j];
        scores[i].log_probabilities.push_back(log_probability(
            std::span(rows).subspan(j * vocabulary, vocabulary), continuations[i][token]));
      }
    }
    while (next < continuations.size() && left(next) == 0) ++next;
  }
  for (ContinuationScore& score : scores) {
    for (const float value : score.log_probabilities) {
      score.sum_log_probability += static_cast<double>(value);
    }
  }
  return scores;
}

Session Session::fork() const { return Session(std::make_unique<State>(*state_)); }

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
  state_->cache.truncate(length);
  state_->tokens.resize(length);
  state_->logits.clear();
  return {};
}

std::size_t Session::resume(std::span<const TokenId> ids) {
  State& state = *state_;
  ids = ids.first(std::min(ids.size(), state.context_length));
  const auto own = std::span<const TokenId>(state.tokens).first(state.token_length());
  auto common = static_cast<std::size_t>(std::ranges::mismatch(own, ids).in1 - own.begin());
  if (state.prefixes != nullptr && common < ids.size()) {
    KvCache found = state.prefixes->find(state.space(), ids, state.workspace->runner->kv_memory());
    if (found.length() > common) {
      state.tokens.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(found.length()));
      state.cache = std::move(found);
      state.logits.clear();
      return state.tokens.size();
    }
  }
  if (common == state.tokens.size()) return common;
  if (!state.cache.can_truncate(common)) common = 0;
  state.cache.truncate(common);
  state.tokens.resize(common);
  state.logits.clear();
  return common;
}

void Session::remember() const {
  const State& state = *state_;
  if (state.prefixes == nullptr) return;
  const auto ids = std::span<const TokenId>(state.tokens).first(state.token_length());
  state.prefixes->insert(state.space(), ids, state.cache);
}

std::span<const float> Session::logits() const noexcept { return state_->logits; }
std::span<const TokenId> Session::tokens() const noexcept { return state_->tokens; }
std::size_t Session::context_length() const noexcept { return state_->context_length; }
std::size_t Session::kv_bytes() const noexcept { return state_->cache.size_bytes(); }
const Model& Session::model() const noexcept { return *state_->model; }
NumericsId Session::numerics() const { return state_->space().numerics; }

}  // namespace weft::inference
