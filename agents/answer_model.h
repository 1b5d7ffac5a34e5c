#pragma once
// The seam of the answering graph: what of it a model does, in this process or behind a network.
// All else is the same for both; see answer_graph.h.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agents/answer.h"
#include "agents/prompt.h"
#include "base/clock.h"
#include "base/result.h"
#include "planner/price.h"

namespace weft::agents {

/// What a search found.
struct Retrieved {
  std::vector<retrieval::PassageHit> passages;
  std::chrono::duration<double> time{};
};

/// What a question is answered from; all is borrowed.
struct Asked {
  std::string_view question;
  const AnswerOptions& options;
  std::int64_t unix_time_s;  // for templates that print the date
  const std::vector<retrieval::PassageHit>& passages;
};

/// Who waits for an answer, hears of it while it is made, and may go; all is borrowed.
struct Listener {
  const inference::OnText& on_text;
  const inference::OnText& on_think;
  const Clock& clock;
  SteadyTime start;      // of the question
  std::stop_token stop;  // ends the answer, which is then what there is

  /// When the first text was shown, or, where none was yet (zero), now: since the question.
  std::chrono::duration<double> first_token(SteadyTime shown) const {
    return (shown == SteadyTime{} ? clock.steady_now() : shown) - start;
  }
};

struct ComposedPrompt {
  std::size_t passages = 0;  // how many of them fitted, from the first on
  std::size_t turns = 0;     // how many messages of the history, from the last back
  std::vector<PromptSpan> spans;
  /// As the model reads it. No part of the value: where it is missing it is made again.
  std::shared_ptr<const AnswerPrompt> encoded;
};

/// How likely a model finds the question without the passages: likelihood.h.
struct QuestionAlone {
  std::vector<float> log_probabilities;  // empty: it can't tell
  std::size_t tokens = 0;                // that were read for it
  std::chrono::duration<double> time{};
};

/// An answer before it is bound to passages.
struct Draft {
  Answer answer;             // without passages and citations
  std::size_t passages = 0;  // how many it was made from, from the first on
};

/// For one thread at a time.
class AnswerModel {
 public:
  virtual ~AnswerModel() = default;

  virtual const std::string& name() const noexcept = 0;  // for people
  /// All but the prompt and the options that decides what it answers.
  virtual std::string identity() const = 0;
  virtual planner::Price price() const noexcept { return {}; }

  /// Fits turns and passages into the context.
  virtual Result<ComposedPrompt> compose(const Asked& asked) = 0;
  /// Stopped, it tells of fewer tokens, or none.
  virtual Result<QuestionAlone> question_alone(const Asked& asked, const ComposedPrompt& prompt,
                                               const Listener& listener) = 0;
  /// Shows what the gate lets through. An answer that the gate withholds is `abstained`, with what
  /// the model said as its text.
  virtual Result<Draft> answer(const Asked& asked, const ComposedPrompt& prompt,
                               const QuestionAlone& alone, const Listener& listener) = 0;
};

}  // namespace weft::agents
