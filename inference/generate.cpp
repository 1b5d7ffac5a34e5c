#include "inference/generate.h"

#include <algorithm>
#include <utility>

#include "inference/text_stream.h"

namespace weft::inference {
namespace {

using Clock = std::chrono::steady_clock;

/// Makes the session's tokens equal `prompt`, with logits; returns how many were there already.
Result<std::size_t> read_prompt(Session& session, std::span<const TokenId> prompt,
                                const GenerateOptions& options) {
  const auto held = session.tokens();
  const auto differs = std::ranges::mismatch(held, prompt);
  auto common = static_cast<std::size_t>(differs.in1 - held.begin());
  // The logits after token i - 1 are what scores token i.
  const std::size_t first = std::max<std::size_t>(options.scored_begin, 1);
  const bool scores = options.on_scored && first < options.scored_end;
  if (scores) common = std::min(common, first - 1);
  if (common == prompt.size() && common == held.size() && !session.logits().empty()) return common;
  // The last token is read again for its logits.
  common = std::min(common, prompt.size() - 1);
  WEFT_TRY_VOID(session.truncate(common));
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

/// The loop's state: tokens in, text out.
class Decoder {
 public:
  Decoder(Session& session, const GenerateOptions& options, const OnText& on_text,
          TextStream stream)
      : session_(session), options_(options), on_text_(on_text), stream_(std::move(stream)) {}

  Result<void> run(Generation& result) {
    for (std::size_t step = 0;; ++step) {
      if (step == options_.max_tokens || session_.tokens().size() == session_.context_length()) {
        result.finish_reason = FinishReason::kLength;
        break;
      }
      if (options_.stop_token.stop_requested()) {
        result.finish_reason = FinishReason::kCancelled;
        break;
      }
      const TokenId id = sample(session_.logits(), options_.sampling, step);
      const Tokenizer& tokenizer = session_.model().tokenizer();
      if (tokenizer.is_end_of_generation(id)) {
        result.finish_reason = FinishReason::kStop;
        break;
      }
      result.ids.push_back(id);
      result.log_probabilities.push_back(log_probability(session_.logits(), id));
      if (options_.on_token) options_.on_token(id, result.log_probabilities.back());
      const bool wants_more = hand_out(result, stream_.feed(tokenizer.piece(id)));
      if (stream_.stopped() || !wants_more) {
        result.finish_reason = stream_.stopped() ? FinishReason::kStop : FinishReason::kCancelled;
        break;
      }
      if (step + 1 == options_.max_tokens) continue;  // nobody asks for the logits after the last
      WEFT_TRY_VOID(session_.append(std::span(&id, 1)));
    }
    hand_out(result, stream_.finish());
    return {};
  }

 private:
  bool hand_out(Generation& result, std::string_view text) const {
    if (text.empty()) return true;
    result.text += text;
    return !on_text_ || on_text_(text);
  }

  Session& session_;
  const GenerateOptions& options_;
  const OnText& on_text_;
  TextStream stream_;
};

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
  }
  return "unknown";
}

double Timing::prefill_tokens_per_s(const Usage& usage) const noexcept {
  return rate(usage.prompt_tokens - usage.cached_tokens, prefill);
}

double Timing::decode_tokens_per_s(const Usage& usage) const noexcept {
  return rate(usage.answer_tokens, decode);
}

Result<Generation> generate(Session& session, std::span<const TokenId> prompt,
                            const GenerateOptions& options, const OnText& on_text) {
  WEFT_TRY_VOID(validate(options.sampling));
  WEFT_TRY(stream, TextStream::open(options.stop));
  if (prompt.empty()) return Error{ErrorCode::kInvalidArgument, "the prompt has no tokens"};
  if (options.scored_end > prompt.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the scored part ends at token " + std::to_string(options.scored_end) +
                     " of a prompt of " + std::to_string(prompt.size())};
  }
  if (prompt.size() >= session.context_length()) {
    return Error{ErrorCode::kResourceExhausted,
                 "the prompt has " + std::to_string(prompt.size()) + " tokens; the context of " +
                     std::to_string(session.context_length()) + " leaves no room for an answer"};
  }
  Generation result;
  result.usage.prompt_tokens = prompt.size();
  const auto start = Clock::now();
  const auto cached = read_prompt(session, prompt, options);
  const auto prefilled = Clock::now();
  result.timing.prefill = prefilled - start;
  if (!cached) {
    if (cached.error().code != ErrorCode::kCancelled) return cached.error();
    result.finish_reason = FinishReason::kCancelled;
    return result;
  }
  result.usage.cached_tokens = *cached;
  WEFT_TRY_VOID(Decoder(session, options, on_text, std::move(stream)).run(result));
  result.usage.answer_tokens = result.ids.size();
  result.timing.decode = Clock::now() - prefilled;
  return result;
}

}  // namespace weft::inference
