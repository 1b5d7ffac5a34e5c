#include "agents/gate.h"

namespace weft::agents {
namespace {

// The decision sees at most this many tokens: short answers whole, the first sentence of long ones.
constexpr std::size_t kHeldTokensMax = 24;

}  // namespace

void Gate::add_question_token(float log_probability) { question_.push_back(log_probability); }

void Gate::add_token(float log_probability) {
  if (!decided_) answer_.push_back(log_probability);
}

bool Gate::add_text(std::string_view text) {
  text_ += text;
  if (!decided_ && answer_.size() >= kHeldTokensMax) decide();
  if (verdict_.abstains) return false;
  // Where all is given there is nothing to wait for but the answer's own first token: what stood
  // before it was the prefill.
  const bool holds = options_.threshold > 0 ? !decided_ : answer_.empty();
  return holds || show();
}

const Verdict& Gate::finish() {
  if (!decided_) decide();
  if (!verdict_.abstains) show();
  return verdict_;
}

void Gate::decide() {
  decided_ = true;
  const Binding binding = bind_citations(text_, options_.question, options_.passages);
  verdict_.evidence = evidence_of({.question = options_.question,
                                   .answer = text_,
                                   .binding = binding,
                                   .answer_tokens = answer_,
                                   .question_tokens = question_,
                                   .question_alone = options_.question_alone});
  verdict_.confidence = says_unknown(text_) || text_.empty() ? 0 : confidence(verdict_.evidence);
  verdict_.abstains = verdict_.confidence < options_.threshold;
}

/// The text that wasn't shown yet.
bool Gate::show() {
  const std::string_view fresh = std::string_view(text_).substr(shown_);
  if (fresh.empty()) return true;
  shown_ = text_.size();
  if (first_shown_ == SteadyTime{}) first_shown_ = options_.clock.steady_now();
  return !options_.on_text || options_.on_text(fresh);
}

}  // namespace weft::agents
