#pragma once
// Answers a question from a collection of documents as AnsweringAgent does, with a model behind a
// network: it runs the same graph. What such a model can't tell is said, not guessed; see
// RemoteAnswerModel.

#include <string>
#include <string_view>

#include "agents/answer.h"
#include "agents/remote_answer_model.h"
#include "base/clock.h"
#include "base/log.h"
#include "inference/remote/remote_model.h"
#include "retrieval/collection_store.h"

namespace weft::agents {

struct RemoteAgentOptions {
  Logger* log = nullptr;         // told of each step; null is silent
  const Clock* clock = nullptr;  // null is the system's
  std::string model_name = {};   // the model's, for people who read traces
  planner::Price price = {};     // what its tokens cost, likewise
};

/// Needs itself alone; several, on threads of their own, may share a model.
class RemoteAnsweringAgent final : public Answerer {
 public:
  /// Borrows both.
  RemoteAnsweringAgent(retrieval::CollectionStore& store, const inference::RemoteModel& model,
                       const RemoteAgentOptions& options = {})
      : store_(store), model_(model, options.model_name, options.price), options_(options) {}

  /// As AnsweringAgent::ask(). Turns of the history, then passages, are left out until the server's
  /// context holds the prompt. `max_tokens` counts thinking too. Errors: those of the store and of
  /// RemoteModel; kUnsupported for a prefill.
  Result<Answer> ask(std::string_view question, const AnswerOptions& options = {},
                     const inference::OnText& on_text = {}) override;

 private:
  retrieval::CollectionStore& store_;
  RemoteAnswerModel model_;
  RemoteAgentOptions options_;
};

}  // namespace weft::agents
