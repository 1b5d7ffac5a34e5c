#pragma once
// How a question becomes an answer, as a graph:
//
//   retrieve -> (found?) -> compose -> question alone -> answer -> cite
//
// One program for local and remote models, which differ in an AnswerModel. What a node gives is
// all that those behind it need, so a recorded run is shown, replayed and forgotten as any other.

#include <string_view>

#include "agents/answer_codec.h"
#include "agents/answer_model.h"
#include "base/log.h"
#include "planner/program.h"
#include "retrieval/collection_store.h"

namespace weft::agents {

/// What the program's nodes work with; all is borrowed and outlives its runs.
struct AnswerParts {
  retrieval::CollectionStore* store = nullptr;
  AnswerModel* model = nullptr;
  const Listener* listener = nullptr;
  Logger* log = nullptr;
};

/// Its inputs: text "question", answer options "options", int "time" (seconds since 1970), text
/// "model" (AnswerModel::identity()). Without parts it can be looked at and replayed, not run.
/// Nodes end early, with what there is, when the listener's stop says so.
Result<planner::Program<Answer>> answer_program(const AnswerParts& parts = {});

}  // namespace weft::agents
