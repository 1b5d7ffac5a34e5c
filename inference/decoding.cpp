#include "inference/decoding.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "inference/sampler.h"

namespace weft::inference {
namespace {

/// Marks stand on lines of their own: the white space after one is part of neither span.
std::string_view without_leading_space(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

/// Of a forced draft: a step reads that many tokens in about the time of three single ones.
constexpr std::size_t kForcedTokensMax = 32;
constexpr std::size_t kForcedBytesMax = 256;

bool may_draft(const LogitsChain& chain, const GenerateOptions& options) {
  return chain.can_roll_back() && allows_drafts(options.hooks.get());
}

/// `text` in tokens as it is written behind `before`; none if they wouldn't spell it.
std::vector<TokenId> continued(const Tokenizer& tokenizer, TokenId before, std::string_view text) {
  // How a text begins may depend on what stands before it.
  const std::string_view context = tokenizer.piece(before);
  std::string both(context);
  both += text;
  auto ids = tokenizer.encode(both, false);
  std::size_t bytes = 0;
  std::size_t first = 0;
  while (first < ids.size() && bytes < context.size()) {
    bytes += tokenizer.piece(ids[first++]).size();
  }
  if (bytes == context.size()) {
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(first));
  } else {
    ids = tokenizer.encode(text, false);
  }
  return tokenizer.decode(ids) == text ? ids : std::vector<TokenId>();
}

}  // namespace

Result<Decoding> Decoding::open(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                                const GenerateOptions& options, std::size_t context_length,
                                OnText on_text) {
  WEFT_TRY_VOID(validate(options.sampling));
  WEFT_TRY(stream, TextStream::open(options.stop));
  WEFT_TRY(thoughts, TextStream::open({}));
  if (options.think) WEFT_TRY_VOID(validate(*options.think, tokenizer.size()));
  const std::size_t tokens = tokenizer.size() + head_rows(options.hooks.get());
  WEFT_TRY(chain, LogitsChain::open(options.logits, tokens));
  if (prompt.empty()) return Error{ErrorCode::kInvalidArgument, "the prompt has no tokens"};
  if (prompt.size() >= context_length) {
    return Error{ErrorCode::kResourceExhausted,
                 "the prompt has " + std::to_string(prompt.size()) + " tokens; the context of " +
                     std::to_string(context_length) + " leaves no room for an answer"};
  }
  return Decoding(tokenizer, prompt, options, context_length, std::move(on_text), std::move(stream),
                  std::move(thoughts), std::move(chain));
}

Decoding::Decoding(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                   const GenerateOptions& options, std::size_t context_length, OnText on_text,
                   TextStream stream, TextStream thoughts, LogitsChain chain)
    : tokenizer_(&tokenizer),
      options_(options),
      context_length_(context_length),
      on_text_(std::move(on_text)),
      stream_(std::move(stream)),
      thoughts_(std::move(thoughts)),
      chain_(std::move(chain)),
      lookup_(may_draft(chain_, options) ? options.draft_tokens_max : 0),
      forced_pace_(may_draft(chain_, options) && options.draft_tokens_max != 0 ? kForcedTokensMax
                                                                               : 0),
      history_(prompt.begin(), prompt.end()) {
  result_.usage.prompt_tokens = prompt.size();
  if (options.think) {
    tracker_ = SpanTracker(*options.think, ends_in_thinking(*options.think, tokenizer, prompt));
  }
}

void Decoding::begin() {
  if (chain_.empty() || error_) return;
  // The draft stands in the history while it is being tried.
  begun_ = std::max<std::size_t>(next_.size(), 1);
  if (!next_.empty()) history_.insert(history_.end(), next_.begin() + 1, next_.end());
  auto begun = chain_.begin(history_, begun_);
  if (!begun) error_ = std::move(begun).error();
}

/// Whether row `i` is the next, and no token before it was wrong.
bool Decoding::expects(std::size_t i) const noexcept {
  return !error_ && sampled_.size() == i && (i == 0 || sampled_.back().id == next_[i]);
}

/// Of a step that has begun.
std::span<const TokenId> Decoding::tokens_before(std::size_t i) const noexcept {
  return std::span(history_).first(history_.size() - begun_ + 1 + i);
}

std::span<const std::uint64_t> Decoding::needed(std::size_t i) {
  if (!expects(i) || chain_.empty() || tracker_.forced()) return {};
  return chain_.needed({{}, tokens_before(i), result_.usage.prompt_tokens, i, tracker_.span()});
}

void Decoding::read(std::size_t i, std::span<const float> logits) {
  if (!expects(i)) return;
  if (!chain_.empty()) {
    // By pointers: between iterators of a span, g++ 12 copies value by value.
    row_.assign(logits.data(), logits.data() + logits.size());
    auto applied =
        chain_.apply({row_, tokens_before(i), result_.usage.prompt_tokens, i, tracker_.span()});
    if (!applied) {
      error_ = std::move(applied).error();
      return;
    }
    logits = row_;
  }
  const auto forced = tracker_.forced();
  Softmax softmax(logits);
  const TokenId id = forced ? *forced : softmax.sample(options_.sampling, result_.ids.size() + i);
  sampled_.push_back({id, softmax.log_probability(id), tracker_.add(id)});
  if (!chain_.empty() && std::isnan(sampled_.back().log_probability)) {
    error_ = {ErrorCode::kInvalidArgument,
              "the changes to the logits leave no token, or something that isn't a number, at "
              "token " +
                  std::to_string(result_.ids.size() + i) + " of the answer"};
  }
}

bool Decoding::take() {
  if (ended_) return true;
  if (begun_ != 0) {
    const std::size_t kept = std::min(sampled_.size(), begun_);
    history_.resize(history_.size() - (begun_ - 1));
    if (!error_) {
      auto settled = chain_.settle(kept, begun_ - kept);
      if (!settled) error_ = std::move(settled).error();
    }
    begun_ = 0;
  }
  if (error_) return end(FinishReason::kCancelled);
  if (next_.size() > 1) {
    const std::size_t drafted = next_.size() - 1;
    const std::size_t accepted = sampled_.size() - 1;
    if (looked_up_) {
      lookup_.learn(drafted, accepted);
    } else {
      forced_pace_.learn(drafted, accepted);
    }
    result_.usage.drafted_tokens += drafted;
    result_.usage.accepted_tokens += accepted;
  }
  for (const Draw& draw : sampled_) {
    if (add(draw)) return true;
  }
  plan();
  return false;
}

bool Decoding::add(const Draw& draw) {
  if (options_.stop_token.stop_requested()) return end(FinishReason::kCancelled);
  const bool thinks = draw.place.span == Span::kThink;
  Usage& usage = result_.usage;
  if (!thinks && usage.answer_tokens == options_.max_tokens) return end(FinishReason::kLength);
  if (static_cast<std::size_t>(draw.id) >= tokenizer_->size()) {
    result_.head_token = draw.id;
    result_.head_log_probability = draw.log_probability;
    return end(FinishReason::kHeadToken);
  }
  if (!options_.ignore_end_tokens && tokenizer_->is_end_of_generation(draw.id)) {
    return end(FinishReason::kStop);
  }
  result_.ids.push_back(draw.id);
  history_.push_back(draw.id);
  result_.log_probabilities.push_back(draw.log_probability);
  ++(thinks ? usage.think_tokens : usage.answer_tokens);
  // What thinking broke off in the middle of a character comes before the answer, not at its end.
  if (!thinks && !think(thoughts_.finish())) return end(FinishReason::kCancelled);
  if (!thinks && options_.on_token) options_.on_token(draw.id, draw.log_probability);
  const std::string_view piece = draw.place.is_mark ? "" : tokenizer_->piece(draw.id);
  const bool wants_more = thinks ? think(thoughts_.feed(piece)) : hand_out(stream_.feed(piece));
  if (stream_.stopped()) return end(FinishReason::kStop);
  if (!wants_more) return end(FinishReason::kCancelled);
  // Nobody asks for the logits after the last token.
  const bool is_full = history_.size() == context_length_;
  const bool is_done = !thinks && usage.answer_tokens == options_.max_tokens;
  return (is_full || is_done) && end(FinishReason::kLength);
}

/// The next tokens to read, within the room that answer and context leave.
void Decoding::plan() {
  const std::size_t room = context_length_ - history_.size();
  const std::size_t left = options_.max_tokens - result_.usage.answer_tokens;
  // Nothing is guessed where the next token is given.
  const std::size_t wanted = left == 0 || tracker_.forced() ? 0 : left - 1;
  const std::size_t most = std::min(room, wanted);
  next_ = {history_.back()};
  sampled_.clear();
  const auto forced = forced_draft(most);
  looked_up_ = forced.empty();
  if (!looked_up_) {
    next_.insert(next_.end(), forced.begin(), forced.end());
    return;
  }
  const auto draft = lookup_.draft(history_, most);
  if (draft.empty()) lookup_.rest();
  next_.insert(next_.end(), draft.begin(), draft.end());
}

/// The text that has to come, as the tokens that the model would most likely choose for it. The
/// last is left out: what follows the text may be part of it.
std::vector<TokenId> Decoding::forced_draft(std::size_t most) {
  most = std::min(most, forced_pace_.length());
  if (most == 0 || chain_.empty() || tracker_.span() != Span::kAnswer) {
    forced_pace_.rest();
    return {};
  }
  auto text = chain_.forced(history_, kForcedBytesMax);
  if (!text) {
    error_ = std::move(text).error();
    return {};
  }
  if (text->empty()) return {};
  auto ids = continued(*tokenizer_, history_.back(), *text);
  if (!ids.empty()) ids.pop_back();
  ids.resize(std::min(ids.size(), most));
  return ids;
}

bool Decoding::end(FinishReason reason) noexcept {
  result_.finish_reason = reason;
  ended_ = true;
  return true;
}

void Decoding::cancel() noexcept { end(FinishReason::kCancelled); }

bool Decoding::think(std::string_view text) {
  if (result_.thinking.empty()) text = without_leading_space(text);
  if (text.empty()) return true;
  result_.thinking += text;
  return !options_.on_think || options_.on_think(text);
}

bool Decoding::hand_out(std::string_view text) {
  if (result_.text.empty() && result_.usage.think_tokens != 0) text = without_leading_space(text);
  if (text.empty()) return true;
  result_.text += text;
  return !on_text_ || on_text_(text);
}

Generation Decoding::finish() && {
  think(thoughts_.finish());
  hand_out(stream_.finish());
  return std::move(result_);
}

}  // namespace weft::inference
