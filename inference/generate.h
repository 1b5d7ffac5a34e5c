#pragma once
// The decoding loop: reads a prompt into a session and appends sampled tokens until a stop string,
// an end token, a limit or the caller ends it. Text is handed out as it becomes certain: only whole
// UTF-8 characters, and never a part of a stop string.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/hooks.h"
#include "inference/logits_processor.h"
#include "inference/sampler.h"
#include "inference/session.h"
#include "inference/think_span.h"
#include "inference/token.h"

namespace weft::inference {

enum class FinishReason : std::uint8_t {
  kStop,       // an end-of-generation token or a stop string
  kLength,     // max_tokens, or the context is full
  kCancelled,  // the stop token, or on_text returned false
  kHeadToken,  // a token of the hooks' head rows was drawn: Generation::head_token
};
std::string_view to_string(FinishReason reason) noexcept;  // "stop", "length", "cancelled", ..

/// Called with each new piece of text; false cancels.
using OnText = std::function<bool(std::string_view)>;

struct GenerateOptions {
  SamplingOptions sampling;
  std::vector<LogitsStep> logits;  // changes to them, in this order, before temperature and cuts
  std::size_t max_tokens = 256;    // of the answer; thinking has its own cap
  std::vector<std::string> stop;   // non-empty strings; matched across tokens, cut from the text
  std::optional<ThinkSpan> think;  // else all is answer; its text and stop strings have no part
                                   // of thinking, which is told to on_think
  OnText on_think;
  bool ignore_end_tokens = false;  // goes on past the model's own end: for measurements
  /// Tokens looked up in the prompt and verified together: the same output. 0 also reads what a
  /// grammar forces one by one.
  std::size_t draft_tokens_max = 10;
  std::shared_ptr<const Hooks> hooks;  // inside the forward pass; null: none
  std::stop_token stop_token;  // checked before each step
  /// Told of each token of the answer, not of thinking, before its text is handed out, with ln p as
  /// in Generation.
  std::function<void(TokenId id, float log_probability)> on_token;
  /// How likely the model finds a part of the prompt: told of each token [scored_begin, scored_end)
  /// with ln p given those before it, before the first token of the answer. They are read anew even
  /// where they are known; a first token has no p and is skipped.
  std::size_t scored_begin = 0;
  std::size_t scored_end = 0;
  std::function<void(std::size_t index, float log_probability)> on_scored;
};

/// Tokens counted where they were spent.
struct Usage {
  std::size_t prompt_tokens = 0;  // all of the prompt
  std::size_t cached_tokens = 0;  // of these, found in the session or its prefix cache
  std::size_t think_tokens = 0;   // its marks included
  std::size_t answer_tokens = 0;
  std::size_t probe_tokens = 0;     // read beside the prompt, to judge the answer
  std::size_t drafted_tokens = 0;   // that prompt lookup or a grammar's forced text proposed
  std::size_t accepted_tokens = 0;  // of these, that the model agreed with

  friend bool operator==(const Usage&, const Usage&) = default;
};

/// The most tokens that `options` let an answer and its thinking have.
std::size_t generated_tokens_max(const GenerateOptions& options) noexcept;

struct Timing {
  std::chrono::duration<double> prefill{};  // until the first logits
  std::chrono::duration<double> decode{};   // from then to the end

  double prefill_tokens_per_s(const Usage& usage) const noexcept;
  double decode_tokens_per_s(const Usage& usage) const noexcept;
};

struct Generation {
  std::string text;                      // valid UTF-8: a broken sequence becomes U+FFFD
  std::string thinking;                  // likewise; no part of `text`
  std::vector<TokenId> ids;              // as sampled, thinking first, the end token left out
  std::vector<float> log_probabilities;  // ln p of each of `ids`, before temperature and cuts
  FinishReason finish_reason = FinishReason::kStop;
  /// Of kHeadToken: the token, no part of ids, and its ln p.
  std::optional<TokenId> head_token = {};
  float head_log_probability = 0;
  Usage usage;
  Timing timing;
};

/// Continues `session` with `prompt`: the longest prefix that it or its prefix cache knows is kept,
/// the rest read anew; prompt and answer are remembered there. Cancelling isn't an error: the text
/// so far is returned. Errors: kInvalidArgument for the options, an empty prompt or a scored part
/// beyond it, or if the logits' changes leave no token; kResourceExhausted if the prompt leaves no
/// room for one token, with both lengths; those of Session::append, Session::attach and of the
/// logits processors.
Result<Generation> generate(Session& session, std::span<const TokenId> prompt,
                            const GenerateOptions& options, const OnText& on_text = {});

}  // namespace weft::inference
