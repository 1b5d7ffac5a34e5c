#pragma once
// How likely a model finds each of several continuations: to choose among given answers without
// writing one.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "inference/model.h"
#include "planner/function.h"
#include "planner/policy.h"

namespace weft::planner {

struct ScoreOptions {
  bool is_mean = false;                  // ln p a token, else the sum, which prefers short ones
  std::size_t prompt_tokens_max = 2048;  // of the text; a longer one fails
};

/// Code from a text and a list<text> of continuations to list<number>: ln p of each after the text,
/// which is read once, as it stands. For a node of the model lane. Reports all that was read as
/// prompt tokens. Errors: kInvalidArgument for a continuation without tokens; kResourceExhausted
/// for a text beyond its limit; those of Session.
FunctionPtr score_function(std::shared_ptr<const inference::Model> model,
                           const ScoreOptions& options);
Policy score_policy(const ScoreOptions& options);

}  // namespace weft::planner
