#pragma once
// One answer in the making, as a state machine: logits in; tokens to read next, text and the
// finished answer out. Who reads the tokens, alone or with those of other answers, is not its
// business. Private to inference.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/draft_pace.h"
#include "inference/generate.h"
#include "inference/logits_chain.h"
#include "inference/prompt_lookup.h"
#include "inference/text_stream.h"
#include "inference/think_span.h"
#include "inference/tokenizer.h"

namespace weft::inference {

class Decoding {
 public:
  /// `tokenizer` is borrowed. Errors: kInvalidArgument for the options or an empty prompt;
  /// kResourceExhausted if the prompt leaves no room for one token, with both lengths; those of
  /// LogitsChain::open().
  static Result<Decoding> open(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                               const GenerateOptions& options, std::size_t context_length,
                               OnText on_text);

  /// The model is about to read the step whose logits come next: next(), or the prompt's end.
  void begin();
  /// The logits after next()[i] (at first, with i = 0, after the prompt), in order of i. What
  /// follows a draft that proved wrong is ignored.
  void read(std::size_t i, std::span<const float> logits);
  /// The tokens whose logits read(i) will look at, a bit an id; empty: all of them. Borrowed until
  /// the next call. Asked before read(i), once those before it have been read; else all.
  std::span<const std::uint64_t> needed(std::size_t i);
  /// Adds what was sampled to the answer and hands out its text; true once the answer has ended.
  bool take();
  /// The tokens to read: the answer's last, which the model hasn't read yet, and a draft.
  std::span<const TokenId> next() const noexcept { return next_; }
  /// Leaves the draft out of next().
  void drop_draft() noexcept { next_.resize(1); }
  /// How many of next() stay read: those before the first wrong one. The others are to be dropped.
  std::size_t kept() const noexcept { return sampled_.size(); }

  void cancel() noexcept;
  bool ended() const noexcept { return ended_; }
  /// Why it ended without an answer; null if it didn't.
  const Error* error() const noexcept { return error_ ? &*error_ : nullptr; }
  const std::vector<TokenId>& ids() const noexcept { return result_.ids; }
  /// The answer, with prompt and answer counted, not timed. The rest of its text is handed out.
  Generation finish() &&;

 private:
  struct Draw {
    TokenId id;
    float log_probability;
    SpanTracker::Place place;
  };

  Decoding(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
           const GenerateOptions& options, std::size_t context_length, OnText on_text,
           TextStream stream, TextStream thoughts, LogitsChain chain);
  bool expects(std::size_t i) const noexcept;
  std::span<const TokenId> tokens_before(std::size_t i) const noexcept;
  bool add(const Draw& draw);
  bool end(FinishReason reason) noexcept;
  void plan();
  std::vector<TokenId> forced_draft(std::size_t most);
  bool hand_out(std::string_view text);
  bool think(std::string_view text);

  const Tokenizer* tokenizer_;
  GenerateOptions options_;
  std::size_t context_length_;
  OnText on_text_;
  TextStream stream_;
  TextStream thoughts_;
  SpanTracker tracker_;
  LogitsChain chain_;
  PromptLookup lookup_;
  DraftPace forced_pace_;
  std::vector<float> row_;        // logits that the chain may change
  std::vector<TokenId> history_;  // the prompt and the answer: one more than the model has read
  std::vector<TokenId> next_;
  bool looked_up_ = false;     // the draft in next_, which is else forced
  std::size_t begun_ = 0;      // rows of the present step, once it has begun
  std::vector<Draw> sampled_;  // not yet part of the answer
  Generation result_;
  std::optional<Error> error_;
  bool ended_ = false;
};

}  // namespace weft::inference
