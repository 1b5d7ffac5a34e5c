#include "inference/generate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "inference/decoding.h"

namespace weft::inference {
namespace {

using Clock = std::chrono::steady_clock;

/// Makes the session's tokens equal `prompt`, with logits; returns how many were there already.
Result<std::size_t> read_prompt(Session& session, std::span<const TokenId> prompt,
                                const GenerateOptions& options) {
  // The logits after token i - 1 are what scores token i.
  const std::size_t first = std::max<std::size_t>(options.scored_begin, 1);
  const bool scores = options.on_scored && first < options.scored_end;
  if (!scores && session.has_read(prompt)) return prompt.size();
  // The last token is read again for its logits.
  const std::size_t common = session.resume(prompt.first(scores ? first - 1 : prompt.size() - 1));
  if (!scores) {
    WEFT_TRY_VOID(session.append(prompt.subspan(common), options.stop_token));
    return common;
  }
  // One pass for all of it: the few rows after the scored part cost less than a second one.
  const auto on_row = [&](std::size_t i, std::span<const float> logits) {
    const std::size_t next = common + i + 1;
    if (next < options.scored_end) options.on_scored(next, log_probability(logits, prompt[next]));
  };
  WEFT_TRY_VOID(
      session.append_each(prompt.subspan(common), first - 1 - common, on_row, options.stop_token));
  return common;
}

/// From the logits after the prompt to the end of the answer.
Result<void> decode(Session& session, Decoding& decoding) {
  decoding.read(0, session.logits());
  while (!decoding.take()) {
    const std::size_t held = session.tokens().size();
    decoding.begin();
    const auto on_row = [&](std::size_t i, std::span<const float> row) { decoding.read(i, row); };
    const auto needed = [&](std::size_t i) { return decoding.needed(i); };
    WEFT_TRY_VOID(session.append_each(decoding.next(), 0, on_row, needed));
    WEFT_TRY_VOID(session.truncate(held + decoding.kept()));
  }
  if (decoding.error() != nullptr) return *decoding.error();
  return {};
}

double rate(std::size_t count, std::chrono::duration<double> time) noexcept {
  return time.count() > 0 ? static_cast<double>(count) / time.count() : 0;
}

}  // namespace

std::string_view to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kHeadToken:
      return "head_token";
  }
  return "unknown";
}

std::size_t generated_tokens_max(const GenerateOptions& options) noexcept {
  if (!options.think) return options.max_tokens;
  return options.max_tokens +
         std::max(options.think->tokens_max, options.think->closing.size() + 1);
}

double Timing::prefill_tokens_per_s(const Usage& usage) const noexcept {
  return rate(usage.prompt_tokens - usage.cached_tokens, prefill);
}

double Timing::decode_tokens_per_s(const Usage& usage) const noexcept {
  return rate(usage.think_tokens + usage.answer_tokens, decode);
}

Result<Generation> generate(Session& session, std::span<const TokenId> prompt,
                            const GenerateOptions& options, const OnText& on_text) {
  WEFT_TRY(decoding, Decoding::open(session.model().tokenizer(), prompt, options,
                                    session.context_length(), on_text));
  if (options.scored_end > prompt.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the scored part ends at token " + std::to_string(options.scored_end) +
                     " of a prompt of " + std::to_string(prompt.size())};
  }
  std::optional<Session::HookScope> hooked;
  if (options.hooks != nullptr) {
    WEFT_TRY(scope, session.attach(options.hooks));
    hooked.emplace(std::move(scope));
  }
  const auto start = Clock::now();
  decoding.begin();
  const auto cached = read_prompt(session, prompt, options);
  const auto prefilled = Clock::now();
  if (!cached) {
    if (cached.error().code != ErrorCode::kCancelled) return cached.error();
    decoding.cancel();
  } else {
    session.remember();  // now, for those who ask while this one is answered
    WEFT_TRY_VOID(decode(session, decoding));
    session.remember();
  }
  Generation result = std::move(decoding).finish();
  if (cached) {
    result.usage.cached_tokens = *cached;
    result.timing.decode = Clock::now() - prefilled;
  }
  result.timing.prefill = prefilled - start;
  return result;
}

}  // namespace weft::inference
