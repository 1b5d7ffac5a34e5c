#pragma once
// Thinking before the answer: the tokens with which a model opens and closes it, and the cap after
// which it is closed for the model. Only an answer's first token opens it; what follows the close
// is the answer. Source: DeepSeek-AI 2025 (DeepSeek-R1), section 2.2; Muennighoff et al. 2025 (s1,
// budget forcing), section 3.1.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/token.h"
#include "inference/tokenizer.h"

namespace weft::inference {

enum class Span : std::uint8_t { kThink, kAnswer };

struct ThinkSpan {
  TokenId open = 0;
  TokenId close = 0;
  std::vector<TokenId> closing;   // what closes it at the cap; holds `close`
  std::size_t tokens_max = 1024;  // of it, marks included, but never less than these
};

/// The marks <think> and </think> of DeepSeek, Qwen3 and others, where a vocabulary has them as one
/// token each; else nothing.
std::optional<ThinkSpan> find_think_span(const Tokenizer& tokenizer);

/// Errors: kInvalidArgument for an id outside the vocabulary, or if `closing` doesn't close.
Result<void> validate(const ThinkSpan& think, std::size_t vocabulary);

/// Whether a prompt ends within thinking that its last turn has opened.
bool ends_in_thinking(const ThinkSpan& think, const Tokenizer& tokenizer,
                      std::span<const TokenId> prompt);

/// Follows one answer, token by token. A value: copies go their own way.
class SpanTracker {
 public:
  SpanTracker() = default;  // all is answer
  SpanTracker(ThinkSpan think, bool is_open);

  Span span() const noexcept;  // that the next token belongs to, unless it opens thinking
  /// The token that has to come next, if the cap says so.
  std::optional<TokenId> forced() const noexcept;

  struct Place {
    Span span;
    bool is_mark;  // opens or closes the span: no text of either
  };
  Place add(TokenId id) noexcept;

 private:
  enum class State : std::uint8_t { kStart, kThink, kClosing, kAnswer };

  ThinkSpan think_;
  State state_ = State::kAnswer;
  std::size_t used_ = 0;    // tokens of thinking
  std::size_t closed_ = 0;  // of think_.closing, those that have come
};

}  // namespace weft::inference
