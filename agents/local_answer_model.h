#pragma once
// The model of an answering graph in this process: a session for prompts and another one for
// questions alone, each of which keeps what it has read for the next question.

#include <memory>
#include <optional>
#include <string>

#include "agents/answer_model.h"
#include "inference/generate.h"
#include "inference/session.h"
#include "inference/think_span.h"

namespace weft::agents {

class LocalAnswerModel final : public AnswerModel {
 public:
  /// A context longer than the model's is cut to that. Errors: those of Session::open().
  static Result<LocalAnswerModel> open(std::shared_ptr<const inference::Model> model,
                                       inference::SessionOptions options, std::string name);

  const std::string& name() const noexcept override { return name_; }
  std::string identity() const override;
  Result<ComposedPrompt> compose(const Asked& asked) override;
  Result<QuestionAlone> question_alone(const Asked& asked, const ComposedPrompt& prompt,
                                       const Listener& listener) override;
  Result<Draft> answer(const Asked& asked, const ComposedPrompt& prompt, const QuestionAlone& alone,
                       const Listener& listener) override;

 private:
  LocalAnswerModel(inference::Session session, std::string name);
  inference::GenerateOptions generate_options(const AnswerOptions& options) const;

  inference::Session session_;
  inference::Session alone_;                   // reads questions without passages
  std::optional<inference::ThinkSpan> think_;  // the model's
  std::string name_;
};

}  // namespace weft::agents
