#pragma once
// Answers a question from a collection of documents as AnsweringAgent does, with a model behind a
// network. What such a model can't tell is said, not guessed: it doesn't score questions, so the
// confidence rests on the other evidence; where the server gives no log-probabilities either, there
// is none, and the agent doesn't abstain for lack of it.

#include <memory>
#include <string_view>

#include "agents/answering_agent.h"
#include "inference/remote/remote_model.h"

namespace weft::agents {

struct RemoteAgentOptions {
  Logger* log = nullptr;         // told of each step; null is silent
  const Clock* clock = nullptr;  // null is the system's
};

/// Needs itself alone; several, on threads of their own, may share a model.
class RemoteAnsweringAgent final : public Answerer {
 public:
  /// Borrows both.
  RemoteAnsweringAgent(retrieval::CollectionStore& store, const inference::RemoteModel& model,
                       const RemoteAgentOptions& options = {})
      : store_(store), model_(model), options_(options) {}

  /// As AnsweringAgent::ask(). Turns of the history, then passages, are left out until the server's
  /// context holds the prompt. `max_tokens` counts thinking too. Errors: those of the store and of
  /// RemoteModel; kUnsupported for a prefill.
  Result<Answer> ask(std::string_view question, const AnswerOptions& options = {},
                     const inference::OnText& on_text = {}) override;

 private:
  Result<void> generate(std::string_view question, const AnswerOptions& options,
                        const inference::OnText& on_text, const Clock& clock, SteadyTime start,
                        Answer& answer);

  retrieval::CollectionStore& store_;
  const inference::RemoteModel& model_;
  RemoteAgentOptions options_;
};

}  // namespace weft::agents
