#pragma once
// What changes a model's logits before a token is drawn from them. A request's chain of steps is
// applied to each row in order, before temperature and cuts, and in the same way by generate() and
// by the Engine, with drafts and without. Masks, biases and penalties are data, which a backend may
// carry out where the logits are; anything else is a LogitsProcessor.
// Source: OpenAI API reference (logit bias, presence and frequency penalty); Keskar et al. 2019
// (CTRL), section 4.1, as llama.cpp has it (repetition penalty).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/think_span.h"
#include "inference/token.h"

namespace weft::inference {

/// Adds to the logits of single tokens; -infinity forbids one.
struct LogitBias {
  struct Entry {
    TokenId id = 0;
    float value = 0;
  };
  std::vector<Entry> entries;
};

/// Makes the logits of all tokens that aren't allowed -infinity.
struct TokenMask {
  enum class Ids : std::uint8_t { kAllowed, kDenied };
  Ids listed = Ids::kAllowed;  // what `ids` are; the others are the opposite
  std::vector<TokenId> ids;
};

/// Makes tokens that stood before less likely; the defaults change nothing.
struct Penalties {
  float repeat = 1;              // divides a positive logit, multiplies a negative one; > 0
  std::size_t repeat_last = 64;  // of the last so many tokens, of prompt and answer
  float presence = 0;            // subtracted once, if the answer has the token
  float frequency = 0;           // subtracted for each time that the answer has it
};

/// The logits of one position, borrowed for a call.
struct LogitsRow {
  std::span<float> logits;          // (vocabulary), to be changed in place
  std::span<const TokenId> tokens;  // before it: the prompt, the answer and the draft so far
  std::size_t prompt_tokens = 0;    // of `tokens`, the prompt's
  std::size_t draft_index = 0;      // of `tokens`, a draft's: 0 where nothing is guessed
  Span span = Span::kAnswer;        // that the token to come is in
};

/// A step of the chain that is code. One object sees one answer: the engine clones what a request
/// holds for each of its samples. Each step of the model is begin(), then apply() for its rows in
/// order until a draft proves wrong, then commit() and rollback(), which share out the rows begun.
/// What it throws ends its answer as an Error.
class LogitsProcessor {
 public:
  struct Capabilities {
    bool needs_all_logits =
        true;                    // mixes distributions: refused behind a mask, which it would undo
    bool can_roll_back = false;  // else its answers are made without drafts
  };

  virtual ~LogitsProcessor() = default;
  virtual Capabilities capabilities() const noexcept = 0;
  /// An object of its own in the same state.
  virtual std::unique_ptr<LogitsProcessor> clone() const = 0;

  /// The model is about to read: rows will come after each of the last `rows` of `tokens`, the
  /// first of them certain, the others behind a draft. The time to start a lookup.
  virtual Result<void> begin(std::span<const TokenId> tokens, std::size_t rows) = 0;
  virtual Result<void> apply(const LogitsRow& row) = 0;
  /// What apply() of `row`, which comes next and has no logits yet, will leave possible at most: a
  /// bit an id, borrowed until the next call. Few of them, and the others' logits aren't computed:
  /// for one that doesn't need them. Empty: not known beforehand.
  virtual Result<std::span<const std::uint64_t>> allowed(const LogitsRow& row);
  /// The first `rows` begun stay, the draft before them was right.
  virtual Result<void> commit(std::size_t rows) = 0;
  /// The last `rows` begun are dropped. Never called on one that can't.
  virtual Result<void> rollback(std::size_t rows) = 0;

  /// Asked between steps, within the answer: text that it leaves no choice about after `tokens`,
  /// whose last is the one drawn from the last row committed; at most `bytes_max` of it. What is
  /// known is read together, as a draft.
  virtual std::string forced(std::span<const TokenId> /*tokens*/, std::size_t /*bytes_max*/) {
    return {};
  }
};

/// One whose rows depend on nothing but their tokens.
class StatelessProcessor : public LogitsProcessor {
 public:
  Result<void> begin(std::span<const TokenId> /*tokens*/, std::size_t /*rows*/) override {
    return {};
  }
  Result<void> commit(std::size_t /*rows*/) override { return {}; }
  Result<void> rollback(std::size_t /*rows*/) override { return {}; }
};

using LogitsStep =
    std::variant<LogitBias, TokenMask, Penalties, std::shared_ptr<const LogitsProcessor>>;

/// Errors: kInvalidArgument for an id outside the vocabulary, a value that isn't a number or out of
/// its range, a mask that allows nothing, a null processor, or one behind a mask that needs all
/// logits; names the step by its index.
Result<void> validate(std::span<const LogitsStep> steps, std::size_t vocabulary);

}  // namespace weft::inference
