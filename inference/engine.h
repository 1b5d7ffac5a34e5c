#pragma once
// Many answers at once from one model: the engine alone loops. Each step reads the next tokens of
// all active sequences together, and pieces of new prompts beside them; a prompt's beginning that
// was read before, or that a sibling is reading, is shared. An answer's bits don't depend on what
// else runs: it is the one that generate() gives.
// Source: Yu et al. 2022 (Orca, continuous batching); Agrawal et al. 2024 (Sarathi-Serve, chunked
// prefill); Zheng et al. 2024 (RadixAttention).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/generate.h"
#include "inference/model.h"
#include "inference/token.h"

namespace weft::inference {

class AttachedAdapter;

struct EngineOptions {
  std::size_t context_length_max = 0;  // tokens of a sequence; 0 = what the model was trained for
  std::size_t sequences_max = 32;      // that decode at once
  std::size_t queue_max = 512;         // sequences that wait
  std::size_t kv_bytes_max = std::size_t{2} << 30;  // of all active sequences and the prefix cache
  std::size_t prefill_tokens_max = 32;              // a step, while others decode; 256 else
  std::size_t draft_sequences_max = 4;  // with more of them, drafts cost more than they save
};

struct Request {
  std::vector<TokenId> prompt;
  GenerateOptions options;  // scored parts aren't supported here
  std::size_t samples = 1;  // answers to the same prompt; see sample_seed()
  std::shared_ptr<const AttachedAdapter> adapter = {};  // to the engine's model; null: none
};

/// Requests that belong together, as the siblings of a graph's level. Their common prefix is read
/// by one of them.
struct Group {
  std::vector<Request> requests;
  std::size_t depth = 0;  // deeper groups are admitted first
  /// Late siblings may follow, by add() until close(). So long the keys and values of what all its
  /// prompts begin with stay, once an answer has ended that had read them, and aren't evicted; but
  /// if no sequence could run otherwise, they go and are read again.
  bool is_open = false;
};

/// Which answer an event is about: indices in its group.
struct AnswerId {
  std::size_t request = 0;
  std::size_t sample = 0;

  friend bool operator==(const AnswerId&, const AnswerId&) = default;
};

/// Called from step(), in the order of each answer's tokens; may call submit(), add(),
/// close() and cancel().
struct EngineEvents {
  /// A piece of an answer's text; false cancels that answer. May be empty.
  std::function<bool(AnswerId, std::string_view)> on_text;
  /// An answer has ended. Cancelling isn't an error: the text so far is there.
  std::function<void(AnswerId, Result<Generation>)> on_end;
};

/// The seed of sample `sample`: that of the request for the first, so that one sample is what
/// generate() gives.
std::uint64_t sample_seed(std::uint64_t seed, std::size_t sample) noexcept;

struct EngineCounters {
  std::uint64_t steps = 0;
  std::uint64_t prefilled_tokens = 0;  // of prompts, that were read
  std::uint64_t shared_tokens = 0;     // of prompts, that were found in the cache or at a sibling
  std::uint64_t decoded_tokens = 0;    // of answers
  std::size_t kv_bytes = 0;            // of the prefix cache, now
  std::size_t kept_bytes = 0;          // that open groups keep, now; mostly the cache's as well
};

class Engine {
 public:
  using GroupId = std::uint64_t;

  /// Errors: kInvalidArgument if context_length_max exceeds the model's, or for a limit of 0; those
  /// of the backend.
  static Result<Engine> open(std::shared_ptr<const Model> model, const EngineOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  /// Queues the group's answers; all or nothing. From any thread. Errors: those of generate() for
  /// each request, named by its index; kResourceExhausted if the queue is full or a sequence alone
  /// would exceed kv_bytes_max.
  Result<GroupId> submit(Group group, EngineEvents events);
  /// Queues one more request of an open group; its index, which counts on from those submitted.
  /// From any thread. Errors: as those of submit(), after which the group is as it was;
  /// kInvalidArgument if the group isn't open.
  Result<std::size_t> add(GroupId group, const Request& request);
  /// The group takes no more requests and keeps nothing; its answers go on. From any thread; ids of
  /// groups that aren't open are ignored. Each open group is to be closed or cancelled.
  void close(GroupId group);
  /// Ends the group's answers before the next step, and closes it. From any thread; unknown ids are
  /// ignored.
  void cancel(GroupId group);

  /// One step for all active sequences; false if there was nothing to do. One thread at a time.
  bool step();
  /// Steps until nothing is left to do.
  void run() {
    while (step()) {
    }
  }

  /// Says in how many of the caller's steps a prompt that begins with `ids`, of a request without
  /// adapter, will come: such prefixes stay in the cache longer. Between steps.
  void expect(std::span<const TokenId> ids, std::uint64_t steps);

  EngineCounters counters() const noexcept;
  const Model& model() const noexcept;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
