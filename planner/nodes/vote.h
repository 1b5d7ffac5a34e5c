#pragma once
// One answer out of several. Sources: Wang et al. 2023 (self-consistency: the majority); Meyerson
// et al. 2025 (MAKER: the first that leads by K).

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "planner/function.h"

namespace weft::planner {

struct Vote {
  std::string winner;       // as it was first given
  std::size_t votes = 0;    // for it
  std::size_t of = 0;       // that were counted
  bool is_decided = false;  // by the lead, where one was asked for; else whether none has as many
};

struct VoteOptions {
  std::size_t lead = 0;  // counts in order until one leads all others by so much; 0 = counts all
};

/// Answers that are normalised() alike count as one; empty ones don't count, as a judge throws away
/// a ballot that says nothing. The earliest of equals wins. Errors: kNotFound if none counts.
Result<Vote> vote(const std::vector<std::string>& answers, const VoteOptions& options = {});

/// The candidate with the highest score; the first of equals. Errors: kInvalidArgument if there are
/// none, not as many scores, or a score that is no number.
Result<std::string> select(const std::vector<std::string>& candidates,
                           const std::vector<double>& scores);

/// As nodes: list<text> to text; list<text> and list<number> to text.
FunctionPtr vote_function(const VoteOptions& options);
FunctionPtr select_function();
/// The first of list<text> that isn't blank; kNotFound if all are.
FunctionPtr first_function();

}  // namespace weft::planner
