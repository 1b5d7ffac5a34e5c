#include "planner/nodes/vote.h"

#include <algorithm>
#include <cmath>

#include "planner/nodes/text.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

struct Candidate {
  Text key;
  Text text;
  std::size_t votes = 0;
};

std::size_t most_of_others(const std::vector<Candidate>& candidates, std::size_t but) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i != but) most = std::max(most, candidates[i].votes);
  }
  return most;
}

}  // namespace

Result<Vote> vote(const Texts& answers, const VoteOptions& options) {
  std::vector<Candidate> candidates;
  std::size_t counted = 0;
  for (const Text& answer : answers) {
    Text key = normalised(answer);
    if (key.empty()) continue;
    ++counted;
    auto found = std::find_if(candidates.begin(), candidates.end(),
                              [&](const Candidate& c) { return c.key == key; });
    if (found == candidates.end()) {
      found = candidates.insert(found, {std::move(key), answer, 0});
    }
    ++found->votes;
    const auto at = static_cast<std::size_t>(found - candidates.begin());
    if (options.lead > 0 && found->votes >= most_of_others(candidates, at) + options.lead) {
      return Vote{found->text, found->votes, counted, true};
    }
  }
  if (candidates.empty()) return Error{ErrorCode::kNotFound, "no answer says anything to count"};
  const auto best =
      std::max_element(candidates.begin(), candidates.end(),
                       [](const Candidate& a, const Candidate& b) { return a.votes < b.votes; });
  const auto at = static_cast<std::size_t>(best - candidates.begin());
  const bool is_alone = best->votes > most_of_others(candidates, at);
  return Vote{best->text, best->votes, counted, options.lead == 0 && is_alone};
}

Result<Text> select(const Texts& candidates, const std::vector<double>& scores) {
  if (candidates.empty() || candidates.size() != scores.size()) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(candidates.size()) +
                                                  " candidates with " +
                                                  std::to_string(scores.size()) + " scores"};
  }
  if (std::any_of(scores.begin(), scores.end(), [](double s) { return std::isnan(s); })) {
    return Error{ErrorCode::kInvalidArgument, "a score is no number"};
  }
  return candidates[static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) -
                                             scores.begin())];
}

FunctionPtr vote_function(const VoteOptions& options) {
  return make_function<Texts>([options](Ctx&, const Texts& answers) -> Result<Text> {
    WEFT_TRY(found, vote(answers, options));
    return std::move(found.winner);
  });
}

FunctionPtr select_function() {
  return make_function<Texts, std::vector<double>>(
      [](Ctx&, const Texts& candidates, const std::vector<double>& scores) {
        return select(candidates, scores);
      });
}

FunctionPtr first_function() {
  return make_function<Texts>([](Ctx&, const Texts& texts) -> Result<Text> {
    const auto found = std::find_if(texts.begin(), texts.end(),
                                    [](const Text& text) { return !normalised(text).empty(); });
    if (found != texts.end()) return *found;
    return Error{ErrorCode::kNotFound, "all are blank"};
  });
}

}  // namespace weft::planner
