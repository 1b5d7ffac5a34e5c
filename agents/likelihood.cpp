#include "agents/likelihood.h"

#include <algorithm>
#include <numeric>

#include "inference/generate.h"

namespace weft::agents {

Result<std::vector<float>> question_likelihood(inference::Session& session,
                                               const AnswerPrompt& prompt,
                                               const std::stop_token& stop) {
  std::vector<float> found;
  inference::GenerateOptions options;
  options.max_tokens = 0;
  options.stop_token = stop;
  options.scored_begin = prompt.question_begin;
  options.scored_end = prompt.question_end;
  options.on_scored = [&](std::size_t, float value) { found.push_back(value); };
  // What follows the question isn't scored, so it needn't be read.
  const auto ids = std::span(prompt.ids).first(prompt.question_end);
  WEFT_TRY_VOID(inference::generate(session, ids, options));
  return found;
}

double explained_share(std::span<const float> with_passages, std::span<const float> alone) {
  const double with = std::accumulate(with_passages.begin(), with_passages.end(), 0.0);
  const double without = std::accumulate(alone.begin(), alone.end(), 0.0);
  if (with_passages.empty() || alone.empty() || without == 0) return 0;
  return std::clamp(1 - with / without, -1.0, 1.0);
}

}  // namespace weft::agents
