#pragma once
// Runs the answering graph on the thread that asks, for a local model as for a remote one; records
// it where there is a trace, and makes recorded answers again.

#include <string_view>

#include "agents/answer_model.h"
#include "base/clock.h"
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

// Notes of a recorded answer: which program made it, and the model's name.
inline constexpr const char* kProgramNote = "program";
inline constexpr std::string_view kAnswerProgram = "answer";
inline constexpr const char* kModelNote = "model";

/// What a recorded run answered, to the bit, times included; needs no model and no documents.
/// Errors: the one that it failed with; those of Runtime::replay_any().
Result<Answer> replay_answer(planner::Trace& trace, std::string_view run);

}  // namespace weft::agents
