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
  if (decided_) return show(text);
  return answer_.size() < kHeldTokensMax || decide();
}

const Verdict& Gate::finish() {
  if (!decided_) decide();
  return verdict_;
}

bool Gate::decide() {
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
  return !verdict_.abstains && show(text_);
}

bool Gate::show(std::string_view text) {
  if (first_shown_ == SteadyTime{}) first_shown_ = options_.clock.steady_now();
  return !options_.on_text || text.empty() || options_.on_text(text);
}

}  // namespace weft::agents
