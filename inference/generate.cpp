#include "inference/generate.h"

#include <algorithm>
#include <utility>

#include "inference/prompt_lookup.h"
#include "inference/text_stream.h"

namespace weft::inference {
namespace {

using Clock = std::chrono::steady_clock;

/// Makes the session's tokens equal `prompt`, with logits; returns how many were there already.
Result<std::size_t> read_prompt(Session& session, std::span<const TokenId> prompt,
                                const std::stop_token& stop) {
  const auto held = session.tokens();
  const auto differs = std::ranges::mismatch(held, prompt);
  auto common = static_cast<std::size_t>(differs.in1 - held.begin());
  if (common == prompt.size() && common == held.size() && !session.logits().empty()) return common;
  // The last token is read again for its logits.
  common = std::min(common, prompt.size() - 1);
  WEFT_TRY_VOID(session.truncate(common));
  WEFT_TRY_VOID(session.append(prompt.subspan(common), stop));
  return common;
}

/// The loop's state: tokens in, text out.
class Decoder {
 public:
  Decoder(Session& session, std::span<const TokenId> prompt, const GenerateOptions& options,
          const OnText& on_text, TextStream stream)
      : session_(session),
        options_(options),
        on_text_(on_text),
        stream_(std::move(stream)),
        lookup_(options.draft_tokens_max),
        history_(prompt.begin(), prompt.end()) {}

  Result<void> run(Generation& result) {
    if (session_.tokens().size() == session_.context_length() || options_.max_tokens == 0) {
      result.finish_reason = FinishReason::kLength;
      return {};
    }
    sampled_ = {draw(session_.logits(), 0)};
    for (;;) {
      if (take(result)) break;
      WEFT_TRY_VOID(step(result));
    }
    hand_out(result, stream_.finish());
    return {};
  }

 private:
  struct Draw {
    TokenId id;
    float log_probability;
  };

  Draw draw(std::span<const float> logits, std::size_t step) const {
    const TokenId id = sample(logits, options_.sampling, step);
    return {id, log_probability(logits, id)};
  }

  /// Adds what was sampled to the answer; true at its end.
  bool take(Generation& result) {
    const Tokenizer& tokenizer = session_.model().tokenizer();
    for (const Draw& next : sampled_) {
      if (options_.stop_token.stop_requested()) return end(result, FinishReason::kCancelled);
      if (tokenizer.is_end_of_generation(next.id)) return end(result, FinishReason::kStop);
      result.ids.push_back(next.id);
      history_.push_back(next.id);
      result.log_probabilities.push_back(next.log_probability);
      if (options_.on_token) options_.on_token(next.id, next.log_probability);
      const bool wants_more = hand_out(result, stream_.feed(tokenizer.piece(next.id)));
      if (stream_.stopped()) return end(result, FinishReason::kStop);
      if (!wants_more) return end(result, FinishReason::kCancelled);
      if (result.ids.size() == options_.max_tokens ||
          history_.size() >= session_.context_length()) {
        return end(result, FinishReason::kLength);
      }
    }
    return false;
  }

  static bool end(Generation& result, FinishReason reason) {
    result.finish_reason = reason;
    return true;
  }

  /// Reads the last token, and after it a draft; samples after each as long as they agree.
  Result<void> step(Generation& result) {
    const std::size_t room = session_.context_length() - session_.tokens().size() - 1;
    const std::size_t wanted = options_.max_tokens - result.ids.size() - 1;
    const auto draft = lookup_.draft(history_, std::min(room, wanted));
    if (draft.empty()) {
      lookup_.rest();
      WEFT_TRY_VOID(session_.append(std::span(&history_.back(), 1)));
      sampled_ = {draw(session_.logits(), result.ids.size())};
      return {};
    }
    std::vector<TokenId> ids = {history_.back()};
    ids.insert(ids.end(), draft.begin(), draft.end());
    const std::size_t held = session_.tokens().size();
    sampled_.clear();
    const auto on_row = [&](std::size_t i, std::span<const float> logits) {
      if (sampled_.size() != i) return;  // an earlier one of the draft was wrong
      const Draw next = draw(logits, result.ids.size() + i);
      if (i == 0 || sampled_.back().id == ids[i]) sampled_.push_back(next);
    };
    WEFT_TRY_VOID(session_.append_each(ids, 0, on_row));
    const std::size_t accepted = sampled_.size() - 1;
    WEFT_TRY_VOID(session_.truncate(held + 1 + accepted));
    lookup_.learn(draft.size(), accepted);
    result.usage.drafted_tokens += draft.size();
    result.usage.accepted_tokens += accepted;
    return {};
  }

  bool hand_out(Generation& result, std::string_view text) const {
    if (text.empty()) return true;
    result.text += text;
    return !on_text_ || on_text_(text);
  }

  Session& session_;
  const GenerateOptions& options_;
  const OnText& on_text_;
  TextStream stream_;
  PromptLookup lookup_;
  std::vector<TokenId> history_;  // the prompt and the answer: one more than the session has read
  std::vector<Draw> sampled_;     // not yet part of the answer
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
  if (prompt.size() >= session.context_length()) {
    return Error{ErrorCode::kResourceExhausted,
                 "the prompt has " + std::to_string(prompt.size()) + " tokens; the context of " +
                     std::to_string(session.context_length()) + " leaves no room for an answer"};
  }
  Generation result;
  result.usage.prompt_tokens = prompt.size();
  const auto start = Clock::now();
  const auto cached = read_prompt(session, prompt, options.stop_token);
  const auto prefilled = Clock::now();
  result.timing.prefill = prefilled - start;
  if (!cached) {
    if (cached.error().code != ErrorCode::kCancelled) return cached.error();
    result.finish_reason = FinishReason::kCancelled;
    return result;
  }
  result.usage.cached_tokens = *cached;
  WEFT_TRY_VOID(Decoder(session, prompt, options, on_text, std::move(stream)).run(result));
  result.usage.answer_tokens = result.ids.size();
  result.timing.decode = Clock::now() - prefilled;
  return result;
}

}  // namespace weft::inference
