#pragma once
// The model of an answering graph behind a network. What it can't tell is said, not guessed: it
// doesn't score questions, so the confidence rests on the other evidence; where the server gives no
// log-probabilities either, there is none, and nothing is withheld for lack of it.

#include <string>
#include <utility>

#include "agents/answer_model.h"
#include "inference/remote/remote_model.h"

namespace weft::agents {

class RemoteAnswerModel final : public AnswerModel {
 public:
  /// Borrows the model.
  explicit RemoteAnswerModel(const inference::RemoteModel& model, std::string name = {},
                             const planner::Price& price = {})
      : model_(model), name_(std::move(name)), price_(price) {}

  const std::string& name() const noexcept override { return name_; }
  std::string identity() const override;
  planner::Price price() const noexcept override { return price_; }
  /// All of it: only the server can count the prompt's tokens, so answer() leaves out what its
  /// context doesn't hold.
  Result<ComposedPrompt> compose(const Asked& asked) override;
  Result<QuestionAlone> question_alone(const Asked& asked, const ComposedPrompt& prompt,
                                       const Listener& listener) override;
  Result<Draft> answer(const Asked& asked, const ComposedPrompt& prompt, const QuestionAlone& alone,
                       const Listener& listener) override;

 private:
  const inference::RemoteModel& model_;
  std::string name_;
  planner::Price price_;
};

}  // namespace weft::agents
