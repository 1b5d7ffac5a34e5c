#include "inference/session.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>
#include <utility>

#include "inference/session_state.h"

namespace weft::inference {
void Session::State::truncate(std::size_t length) {
  cache.truncate(length);
  tokens.resize(length);
  plain = std::min(plain, length);
  logits.clear();
}

Result<void> Session::State::check(std::span<const TokenId> ids, std::size_t more) const {
  if (ids.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to append"};
  WEFT_TRY_VOID(check_ids(ids, more));
  return check_room(ids.size());
}

Result<void> Session::State::check_ids(std::span<const TokenId> ids, std::size_t more) const {
  const auto vocabulary = static_cast<TokenId>(model->config().vocabulary + more);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocabulary) {
      return Error{ErrorCode::kInvalidArgument,
                   "token " + std::to_string(ids[i]) + " at index " + std::to_string(i) +
                       " is outside the vocabulary of " + std::to_string(vocabulary)};
    }
  }
  return {};
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

void Session::State::add(std::span<const TokenId> ids) {
  // Up to the first row of floats or head token, which tell other sessions nothing.
  const auto vocabulary = static_cast<TokenId>(model->config().vocabulary);
  const auto other =
      std::ranges::find_if(ids, [&](TokenId id) { return id == kNoToken || id >= vocabulary; });
  if (plain == tokens.size() && !changes_keys(attached())) {
    plain += static_cast<std::size_t>(other - ids.begin());
  }
  if (tokens.empty()) policy = policy_of(attached());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
}

Result<void> Session::State::hand_out(std::size_t first, std::size_t count, const OnRow& on_row) {
  return workspace->logits.read(*workspace->runner,
                                {.first = first,
                                 .count = count,
                                 .hooks = [this](std::size_t) { return attached(); },
                                 .needed = on_row.needed,
                                 .on_row = on_row.take,
                                 .last = on_row.needed ? nullptr : &logits});
}

Result<void> Session::State::read(std::span<const TokenId> ids, std::span<const float> rows,
                                  std::size_t first_wanted, const OnRow* on_row,
                                  const std::stop_token& stop) {
  const std::scoped_lock lock(workspace->mutex);
  if (tokens.empty()) cache = beginning();
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
    drop_hidden(cache, attached());
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
  add(ids);
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
  WEFT_TRY_VOID(state_->check(ids, head_inputs(state_->attached())));
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
  WEFT_TRY_VOID(state_->check(ids, head_inputs(state_->attached())));
  const OnRow each{on_row};
  return state_->read(ids, {}, first, &each, stop);
}

Result<void> Session::append_each(
    std::span<const TokenId> ids, std::size_t first,
    const std::function<void(std::size_t i, std::span<const float> logits)>& on_row,
    const std::function<std::span<const std::uint64_t>(std::size_t i)>& needed) {
  WEFT_TRY_VOID(state_->check(ids, head_inputs(state_->attached())));
  const OnRow each{on_row, needed};
  WEFT_TRY_VOID(state_->read(ids, {}, first, &each, {}));
  state_->logits = {};  // a decode loop's: a megabyte it doesn't read again
  return {};
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
    return Error{ErrorCode::kUnsupported, "can't keep " + std::to_string(length) + " of " +
                                              std::to_string(state_->tokens.size()) +
                                              " tokens: what they would need was dropped; keep " +
                                              std::to_string(state_->cache.length_min()) +
                                              " or more, or truncate to 0 and read anew"};
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
    KvCache found = state.prefixes->find(state.space(), ids, state.memory());
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
