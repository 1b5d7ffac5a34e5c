#include "inference/think_span.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weft::inference {

std::optional<ThinkSpan> find_think_span(const Tokenizer& tokenizer) {
  const auto open = tokenizer.find("<think>");
  const auto close = tokenizer.find("</think>");
  if (!open || !close) return {};
  // The layout that Qwen3's template gives an empty thought.
  ThinkSpan think{*open, *close, tokenizer.encode("\n", false)};
  think.closing.push_back(*close);
  const auto after = tokenizer.encode("\n\n", false);
  think.closing.insert(think.closing.end(), after.begin(), after.end());
  return think;
}

Result<void> validate(const ThinkSpan& think, std::size_t vocabulary) {
  std::vector<TokenId> ids = think.closing;
  ids.push_back(think.open);
  for (const TokenId id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < vocabulary) continue;
    return Error{ErrorCode::kInvalidArgument, "thinking: token " + std::to_string(id) +
                                                  " is outside the vocabulary of " +
                                                  std::to_string(vocabulary)};
  }
  if (std::ranges::count(think.closing, think.close) != 0) return {};
  return Error{ErrorCode::kInvalidArgument, "thinking: the closing tokens lack token " +
                                                std::to_string(think.close) + ", which closes it"};
}

bool ends_in_thinking(const ThinkSpan& think, const Tokenizer& tokenizer,
                      std::span<const TokenId> prompt) {
  for (auto it = prompt.rbegin(); it != prompt.rend(); ++it) {
    if (*it == think.open) return true;
    // A control token begins the turn: what stands before it is somebody else's.
    if (*it == think.close || tokenizer.kind(*it) == TokenKind::kControl) return false;
  }
  return false;
}

SpanTracker::SpanTracker(ThinkSpan think, bool is_open)
    : think_(std::move(think)), state_(is_open ? State::kThink : State::kStart) {}

Span SpanTracker::span() const noexcept {
  return state_ == State::kThink || state_ == State::kClosing ? Span::kThink : Span::kAnswer;
}

std::optional<TokenId> SpanTracker::forced() const noexcept {
  if (state_ == State::kClosing) return think_.closing[closed_];
  if (state_ == State::kThink && used_ + think_.closing.size() >= think_.tokens_max) {
    return think_.closing.front();
  }
  return {};
}

SpanTracker::Place SpanTracker::add(TokenId id) noexcept {
  if (state_ == State::kStart && id == think_.open) {
    state_ = State::kThink;
    used_ = 1;
    return {Span::kThink, true};
  }
  if (state_ == State::kStart || state_ == State::kAnswer) {
    state_ = State::kAnswer;
    return {Span::kAnswer, false};
  }
  const bool is_forced = forced().has_value();
  ++used_;
  if (is_forced) {
    state_ = ++closed_ == think_.closing.size() ? State::kAnswer : State::kClosing;
    return {Span::kThink, true};
  }
  if (id == think_.close) state_ = State::kAnswer;
  return {Span::kThink, id == think_.close};
}

}  // namespace weft::inference
