#pragma once
// How likely a model finds a question with the passages before it and without them. What passages
// add says whether they are about the question: query likelihood (Ponte and Croft 1998), for
// language models Sachan et al. 2022 (UPR, eq. 2).

#include <span>
#include <stop_token>
#include <vector>

#include "agents/prompt.h"
#include "base/result.h"
#include "inference/session.h"

namespace weft::agents {

/// ln p of each token of the prompt's question given all before it. Reads into `session`, keeping
/// what that has read already where it agrees; costs a pass over the rest. Where `stop` ends it
/// there are fewer, or none. Errors: those of inference::generate.
Result<std::vector<float>> question_likelihood(inference::Session& session,
                                               const AnswerPrompt& prompt,
                                               const std::stop_token& stop);

/// The share of a question's surprise, -sum ln p, that the passages take away: 1 if they make it
/// certain, 0 if they add nothing, down to -1 where they mislead. 0 where a list is empty.
double explained_share(std::span<const float> with_passages, std::span<const float> alone);

}  // namespace weft::agents
