#pragma once
// What stands before the engine's loop, and all of the engine that other threads reach: sequences
// that wait for a place, groups that still take requests with what they keep, and cancellations.
// Private to inference.

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/adapter/attached_adapter.h"
#include "inference/decoding.h"
#include "inference/engine.h"
#include "inference/kv_cache.h"

namespace weft::inference {

struct EngineGroup {
  Engine::GroupId id = 0;
  std::size_t depth = 0;
  EngineEvents events;

  // Of an open group; the queue's mutex guards them.
  std::size_t requests = 0;     // so far
  std::vector<TokenId> prefix;  // what all their prompts begin with, and all read alike
  std::shared_ptr<const AttachedAdapter> adapter = {};  // of the first of them
  KvCache kept;  // of `prefix`, as far as a member that has ended had read it
};

/// One answer, from the queue to its end.
struct Sequence {
  using Clock = std::chrono::steady_clock;

  std::shared_ptr<EngineGroup> group;
  AnswerId answer;
  std::vector<TokenId> prompt;
  std::stop_token stop;
  Decoding decoding;
  std::size_t kv_bytes = 0;  // that it may need
  std::shared_ptr<const AttachedAdapter> adapter = {};
  std::optional<HookRun> hooks = {};
  std::string policy = {};  // policy_of() them

  std::optional<KvCache> cache = {};  // once admitted
  std::size_t shared = 0;             // tokens of the prompt that it didn't read itself
  Sequence* leader = nullptr;         // reads the beginning of the same prompt
  std::size_t awaited = 0;            // tokens, of the leader's
  std::size_t reading = 0;            // tokens of the present step
  bool cancelled = false;
  Clock::time_point admitted = {}, prefilled = {};

  const Hooks* attached() const noexcept { return hooks ? &hooks->hooks() : nullptr; }
  bool decodes() const noexcept { return cache && cache->length() >= prompt.size(); }
};

using Sequences = std::vector<std::unique_ptr<Sequence>>;

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) noexcept;

/// Any thread may call any member. Calls no callback.
class EngineQueue {
 public:
  using GroupId = Engine::GroupId;

  /// `options` are resolved: no limit is 0.
  EngineQueue(std::shared_ptr<const Model> model, const EngineOptions& options,
              std::shared_ptr<const KvMemory> memory);

  // As Engine's.
  Result<GroupId> submit(Group group, EngineEvents events);
  Result<std::size_t> add(GroupId group, const Request& request);
  void close(GroupId group);
  void cancel(GroupId group);

  /// Takes out the waiting sequences that were cancelled, by their group or their stop token, and
  /// marks those of `active`.
  Sequences take_cancelled(std::span<const std::unique_ptr<Sequence>> active);
  /// Takes out the sequence whose turn it is: of the deepest groups that of the one after `served`.
  /// Null if none waits, or if it needs more than what is left of kv_bytes_max: `bytes_taken` are
  /// and open groups keep some.
  std::unique_ptr<Sequence> take_next(GroupId served, std::size_t bytes_taken);

  /// What the sequence's group keeps of its prompt, but for the prompt's last token.
  KvCache kept(const Sequence& sequence) const;
  /// Lets its group, if it's open, keep what the sequence has read of the common beginning.
  void keep(const Sequence& sequence);
  std::size_t kept_bytes() const;
  /// Makes open groups forget, the oldest first and `last` at the end, until they keep at most
  /// `bytes`.
  void shrink_kept(std::size_t bytes, const EngineGroup& last);

 private:
  Result<void> append_sequences(const Request& request, std::size_t index,
                                const std::shared_ptr<EngineGroup>& group, Sequences& made) const;
  Result<void> check(const Request& request, std::size_t kv_bytes) const;
  Result<void> push(Sequences made);
  std::deque<std::unique_ptr<Sequence>>::iterator next(GroupId served);
  std::size_t kept_bytes_locked() const noexcept;
  void forget(GroupId group);

  const std::shared_ptr<const Model> model_;
  const EngineOptions options_;
  const std::shared_ptr<const KvMemory> memory_;

  mutable std::mutex mutex_;  // of all below
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::shared_ptr<EngineGroup>> open_;  // in order of their ids
  std::vector<GroupId> cancelled_;
  GroupId last_id_ = 0;
};

}  // namespace weft::inference
