#pragma once
// Runs the answering graph on the thread that asks, for a local model as for a remote one; records
// it where there is a trace, and makes recorded answers again.

#include <string_view>

#include "agents/answer_model.h"
#include "base/log.h"
#include "retrieval/collection_store.h"

namespace weft::agents {

/// Borrowed.
struct AnswerTools {
  retrieval::CollectionStore& store;
  AnswerModel& model;
  Logger* log = nullptr;         // null is silent
  const Clock* clock = nullptr;  // null is the system's
};

/// As Answerer::ask(). Errors are those of the node that failed, as they are.
Result<Answer> run_answer(const AnswerTools& tools, std::string_view question,
                          const AnswerOptions& options, const inference::OnText& on_text);

}  // namespace weft::agents
