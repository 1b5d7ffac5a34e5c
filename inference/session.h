#pragma once
// One sequence of tokens that a model has read: a handle on its KV cache. Appending returns the
// logits of what comes next; forking shares what was read so far.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inference/hooks.h"
#include "inference/model.h"
#include "inference/token.h"
#include "inference/token_tree.h"

namespace weft::inference {

class AttachedAdapter;
class PrefixCache;

struct SessionOptions {
  std::size_t context_length_max = 0;  // tokens; 0 = what the model was trained for
  /// What resume() finds and remember() fills, beside other sessions. Borrowed: it outlives the
  /// session and its forks. Null: the session knows only what it has read itself.
  PrefixCache* prefixes = nullptr;
  /// Changes the model for this session and its forks: attached to the same model. Null: none.
  std::shared_ptr<const AttachedAdapter> adapter;
};

/// How likely a model finds a continuation.
struct ContinuationScore {
  double sum_log_probability = 0;        // natural log
  std::vector<float> log_probabilities;  // of each of its tokens, given those before

  friend bool operator==(const ContinuationScore&, const ContinuationScore&) = default;
};

/// Needs itself alone; a backend may run the steps of sessions one after the other.
class Session {
 public:
  /// Errors: kInvalidArgument if context_length_max exceeds the model's, or for an adapter of
  /// another model; those of the backend.
  static Result<Session> open(std::shared_ptr<const Model> model,
                              const SessionOptions& options = {});

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Reads `ids`; logits() are then those after the last. All or nothing; or, where the session
  /// can't go back (see truncate()), all or what was read before is forgotten too.
  /// Errors: kInvalidArgument for an id outside the vocabulary or no ids, kResourceExhausted if
  /// the context is full (says by how much), kCancelled between chunks of the prompt, kIo.
  Result<void> append(std::span<const TokenId> ids, std::stop_token stop = {});

  /// Reads rows (n, width) in place of tokens: soft prompts, say. A row is like one of the model's
  /// embedding, and scaled as those are; tokens() says kNoToken for it, and no prompt is ever taken
  /// for what was read there. Errors: kInvalidArgument for a value that isn't finite or a size that
  /// isn't whole rows, else those of append() of tokens.
  Result<void> append(std::span<const float> rows, std::stop_token stop = {});

  /// append() that hands out the logits after each of ids[first..]: on_row(i, logits), i an index
  /// into `ids`, in order. The logits are borrowed until on_row returns.
  Result<void> append_each(
      std::span<const TokenId> ids, std::size_t first,
      const std::function<void(std::size_t i, std::span<const float> logits)>& on_row,
      std::stop_token stop = {});
  /// The same where a row may be needed of few tokens only: needed(i) are those, a bit an id, and
  /// empty if all are; others' logits may be -infinity. It is asked before on_row(i), but maybe
  /// more than once. logits() are then empty.
  Result<void> append_each(
      std::span<const TokenId> ids, std::size_t first,
      const std::function<void(std::size_t i, std::span<const float> logits)>& on_row,
      const std::function<std::span<const std::uint64_t>(std::size_t i)>& needed);

  /// Reads a tree of continuations in one pass: on_row(node, logits) for each node, parents before
  /// their children, with the logits that append() of its path alone would give, bit by bit. Then
  /// choose() says whose path stays read, as if it had been appended; none leaves the session as it
  /// is, as an error does. The logits are borrowed until on_row returns. Taps see all nodes.
  /// Errors: those of validate() and append() (the context has to hold each path alone);
  /// kUnsupported on a backend that reads no trees; kInvalidArgument for a choice that isn't a
  /// node.
  Result<void> append_tree(
      const TokenTree& tree,
      const std::function<void(std::size_t node, std::span<const float> logits)>& on_row,
      const std::function<std::optional<std::size_t>()>& choose);

  /// ln p of each continuation after what was read, all of them in the same steps. Its last token
  /// may be one of the attached hooks' head rows. The session stays as it is. Errors:
  /// kInvalidArgument for an empty continuation or a session without logits, else those of append()
  /// (the context has to hold each continuation alone).
  Result<std::vector<ContinuationScore>> score(std::span<const std::vector<TokenId>> continuations,
                                               std::stop_token stop = {}) const;

  /// What is read while the scope lives is read with `hooks`; the session outlives it. An append()
  /// fails with what a callback threw. Errors: those of validate(); kInvalidArgument if hooks are
  /// attached already.
  class HookScope;
  Result<HookScope> attach(std::shared_ptr<const Hooks> hooks);

  /// A second session that has read the same, without hooks; blocks of the cache are shared until
  /// one writes.
  Session fork() const;
  /// Forgets all but the first `length` tokens; logits() are then empty until the next append.
  /// Errors: kInvalidArgument if there are fewer; kUnsupported if it can't go back so far: the CPU
  /// can, also with sliding windows of the model's, but for what hooks' window has left behind.
  Result<void> truncate(std::size_t length);

  /// Makes what was read the longest beginning of `ids` that is known: what this session has read
  /// last or, if that is more, what the prefix cache holds; or nothing, where the backend can't go
  /// back. Returns its length, at most the context's: 0 where hooks are to see all of it. logits()
  /// are then empty, unless nothing was forgotten.
  std::size_t resume(std::span<const TokenId> ids);
  /// Whether `ids` were read, nothing else, and logits() are as if they were read now.
  bool has_read(std::span<const TokenId> ids) const noexcept;
  /// Puts what was read into the prefix cache, if there is one, up to the first row of floats and
  /// what hooks changed.
  void remember() const;

  /// (vocabulary + head rows of hooks that were attached), empty before the first append.
  std::span<const float> logits() const noexcept;
  std::span<const TokenId> tokens() const noexcept;  // kNoToken for each row of floats
  std::size_t context_length() const noexcept;       // the most tokens it can hold
  std::size_t kv_bytes() const noexcept;             // of its blocks, shared ones too
  const Model& model() const noexcept;
  NumericsId numerics() const;  // of its results: the model's, with the adapter

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Detaches when it ends.
class Session::HookScope {
 public:
  HookScope(HookScope&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  HookScope& operator=(HookScope&&) = delete;
  ~HookScope();

 private:
  friend class Session;
  explicit HookScope(State& state) : state_(&state) {}
  State* state_;
};

}  // namespace weft::inference
