#include "inference/engine_queue.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weft::inference {
namespace {

/// Shortens what an open group shares to what the request has in common with it.
void share(EngineGroup& group, const Request& request) {
  if (group.requests++ == 0) {
    group.prefix = request.prompt;
    group.adapter = request.adapter;
    return;
  }
  const bool reads_alike = request.adapter == group.adapter;
  group.prefix.resize(reads_alike ? common_prefix(group.prefix, request.prompt) : 0);
  if (group.kept.length() > group.prefix.size()) group.kept.truncate(group.prefix.size());
}

}  // namespace

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) noexcept {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

EngineQueue::EngineQueue(std::shared_ptr<const Model> model, const EngineOptions& options,
                         std::shared_ptr<const KvMemory> memory)
    : model_(std::move(model)), options_(options), memory_(std::move(memory)) {}

Result<void> EngineQueue::check(const Request& request, std::size_t kv_bytes) const {
  const auto vocabulary = static_cast<TokenId>(model_->config().vocabulary);
  for (const TokenId id : request.prompt) {
    if (id >= 0 && id < vocabulary) continue;
    return Error{ErrorCode::kInvalidArgument, "token " + std::to_string(id) +
                                                  " is outside the vocabulary of " +
                                                  std::to_string(vocabulary)};
  }
  WEFT_TRY_VOID(check_attached(request.adapter.get(), *model_));
  if (request.options.hooks != nullptr) {
    WEFT_TRY_VOID(validate(*request.options.hooks, model_->config()));
  }
  if (request.samples == 0) return Error{ErrorCode::kInvalidArgument, "0 samples"};
  if (request.options.on_scored) {
    return Error{ErrorCode::kInvalidArgument, "the engine doesn't score prompts"};
  }
  if (kv_bytes > options_.kv_bytes_max) {
    return Error{ErrorCode::kResourceExhausted,
                 "it may need " + std::to_string(kv_bytes >> 20) +
                     " MiB of keys and values; the engine may hold " +
                     std::to_string(options_.kv_bytes_max >> 20)};
  }
  return {};
}

Result<void> EngineQueue::append_sequences(const Request& request, std::size_t index,
                                           const std::shared_ptr<EngineGroup>& group,
                                           Sequences& made) const {
  const std::size_t length = std::min(request.prompt.size() + generated_tokens_max(request.options),
                                      options_.context_length_max);
  const std::size_t blocks = (length + kKvBlockTokens - 1) / kKvBlockTokens;
  const std::size_t kv_bytes =
      blocks * memory_for(memory_, request.options.hooks.get())->block_bytes();
  const auto refuse = [&](const Error& error) {
    return Error{error.code, "request " + std::to_string(index) + ": " + error.message};
  };
  if (const auto checked = check(request, kv_bytes); !checked) return refuse(checked.error());
  for (std::size_t s = 0; s < request.samples; ++s) {
    GenerateOptions sample = request.options;
    sample.sampling.seed = sample_seed(sample.sampling.seed, s);
    const AnswerId answer{index, s};
    OnText on_text;
    if (group->events.on_text) {
      on_text = [group = group.get(), answer](std::string_view text) {
        return group->events.on_text(answer, text);
      };
    }
    auto decoding = Decoding::open(model_->tokenizer(), request.prompt, sample,
                                   options_.context_length_max, std::move(on_text));
    if (!decoding) return refuse(decoding.error());
    made.push_back(std::make_unique<Sequence>(Sequence{.group = group,
                                                       .answer = answer,
                                                       .prompt = request.prompt,
                                                       .stop = request.options.stop_token,
                                                       .decoding = *std::move(decoding),
                                                       .kv_bytes = kv_bytes,
                                                       .adapter = request.adapter}));
    if (request.options.hooks != nullptr) made.back()->hooks.emplace(request.options.hooks);
    made.back()->policy = policy_of(request.options.hooks.get());
  }
  return {};
}

/// All or nothing; the mutex is held.
Result<void> EngineQueue::push(Sequences made) {
  if (waiting_.size() + made.size() > options_.queue_max) {
    return Error{ErrorCode::kResourceExhausted,
                 "the engine's queue holds " + std::to_string(waiting_.size()) + " of " +
                     std::to_string(options_.queue_max) + " sequences; " +
                     std::to_string(made.size()) + " more don't fit: try again later"};
  }
  std::ranges::move(made, std::back_inserter(waiting_));
  return {};
}

Result<EngineQueue::GroupId> EngineQueue::submit(Group group, EngineEvents events) {
  auto state = std::make_shared<EngineGroup>(EngineGroup{
      .depth = group.depth, .events = std::move(events), .prefix = {}, .kept = KvCache(memory_)});
  Sequences made;
  for (std::size_t r = 0; r < group.requests.size(); ++r) {
    WEFT_TRY_VOID(append_sequences(group.requests[r], r, state, made));
  }
  const std::scoped_lock lock(mutex_);
  WEFT_TRY_VOID(push(std::move(made)));
  state->id = ++last_id_;
  if (group.is_open) {
    for (const Request& request : group.requests) share(*state, request);
    open_.push_back(state);
  }
  return state->id;
}

Result<std::size_t> EngineQueue::add(GroupId group, const Request& request) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(open_, group, &EngineGroup::id);
  if (found == open_.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "group " + std::to_string(group) +
                     " takes no more requests: it was closed, cancelled, or not submitted as open"};
  }
  const std::size_t index = (*found)->requests;
  Sequences made;
  WEFT_TRY_VOID(append_sequences(request, index, *found, made));
  WEFT_TRY_VOID(push(std::move(made)));
  share(**found, request);
  return index;
}

void EngineQueue::close(GroupId group) {
  const std::scoped_lock lock(mutex_);
  forget(group);
}

void EngineQueue::cancel(GroupId group) {
  const std::scoped_lock lock(mutex_);
  forget(group);
  cancelled_.push_back(group);
}

/// Frees what an open group keeps; its sequences may live on. The mutex is held.
void EngineQueue::forget(GroupId group) {
  const auto found = std::ranges::find(open_, group, &EngineGroup::id);
  if (found == open_.end()) return;
  (*found)->kept.truncate(0);
  open_.erase(found);
}

Sequences EngineQueue::take_cancelled(std::span<const std::unique_ptr<Sequence>> active) {
  Sequences gone;
  const std::scoped_lock lock(mutex_);
  const auto is_cancelled = [&](const Sequence& s) {
    return s.stop.stop_requested() || std::ranges::count(cancelled_, s.group->id) != 0;
  };
  for (const auto& sequence : active) sequence->cancelled |= is_cancelled(*sequence);
  for (auto& sequence : waiting_) {
    if (is_cancelled(*sequence)) gone.push_back(std::move(sequence));
  }
  std::erase(waiting_, nullptr);
  cancelled_.clear();
  return gone;
}

std::deque<std::unique_ptr<Sequence>>::iterator EngineQueue::next(GroupId served) {
  const auto turn = [&](const Sequence& s) { return s.group->id - served - 1; };  // wraps
  return std::ranges::min_element(waiting_, [&](const auto& a, const auto& b) {
    if (a->group->depth != b->group->depth) return a->group->depth > b->group->depth;
    return turn(*a) < turn(*b);
  });
}

std::unique_ptr<Sequence> EngineQueue::take_next(GroupId served, std::size_t bytes_taken) {
  const std::scoped_lock lock(mutex_);
  const auto it = next(served);
  if (it == waiting_.end()) return nullptr;
  // Alone it fits: then open groups forget what is in its way.
  const bool is_alone = bytes_taken == 0;
  const std::size_t needed = bytes_taken + kept_bytes_locked() + (*it)->kv_bytes;
  if (!is_alone && needed > options_.kv_bytes_max) return nullptr;
  auto taken = std::move(*it);
  waiting_.erase(it);
  return taken;
}

KvCache EngineQueue::kept(const Sequence& sequence) const {
  const std::scoped_lock lock(mutex_);
  if (reads_all(sequence.attached()) || !sequence.policy.empty()) return KvCache(memory_);
  KvCache found = sequence.group->kept;
  found.truncate(std::min(found.length(), sequence.prompt.size() - 1));
  return found;
}

void EngineQueue::keep(const Sequence& sequence) {
  const std::scoped_lock lock(mutex_);
  EngineGroup& group = *sequence.group;
  if (changes_keys(sequence.attached()) || !sequence.policy.empty()) return;
  if (std::ranges::find(open_, sequence.group) == open_.end()) return;
  const std::size_t length = std::min(group.prefix.size(), sequence.cache->length());
  if (length <= group.kept.length()) return;
  group.kept = *sequence.cache;
  group.kept.truncate(length);
}

std::size_t EngineQueue::kept_bytes() const {
  const std::scoped_lock lock(mutex_);
  return kept_bytes_locked();
}

std::size_t EngineQueue::kept_bytes_locked() const noexcept {
  std::size_t bytes = 0;
  for (const auto& group : open_) bytes += group->kept.size_bytes();
  return bytes;
}

void EngineQueue::shrink_kept(std::size_t bytes, const EngineGroup& last) {
  const std::scoped_lock lock(mutex_);
  std::vector<EngineGroup*> order;
  for (const auto& group : open_) order.push_back(group.get());
  std::ranges::stable_partition(order, [&](const auto* group) { return group != &last; });
  for (auto* group : order) {
    if (kept_bytes_locked() <= bytes) return;
    group->kept.truncate(0);
  }
}

}  // namespace weft::inference
