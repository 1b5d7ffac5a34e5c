#pragma once
// How wrong a program's result may be: the error tags of its nodes, composed along its edges by the
// rules of planner/error_model.h. Two figures go along: the chance that a value is wrong, and the
// size of a number's error.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planner/node_stats.h"
#include "planner/program.h"

namespace weft::planner {

struct ErrorForecast {
  /// At most this, whatever depends on what.
  double wrong_bound = 0;
  double size_bound = 0;  // of E|error|
  /// Where every tag on the way says "independent". Two votes or two sums that share a node behind
  /// them are taken as independent, too.
  std::optional<double> wrong;
  std::optional<double> size;  // E|error|, of errors that are normal
  /// Maps and loops whose width wasn't known (taken as 1, and as the bound), branches (the worse
  /// side bounds; both count half).
  std::vector<std::string> assumed;

  std::string text() const;  // a few lines
};

struct ErrorForecastOptions {
  /// Elements and iterations, by path without indices; before what the book says (its mean).
  std::map<std::string, std::int64_t> counts;
  /// Chances of a branch's yes side.
  std::map<std::string, double> yes;
};

/// Inputs are taken as right. Errors: kInvalidArgument names a node whose votes, or chunks, no list
/// hands in, or a loop of more than 1,000 iterations;
/// kResourceExhausted for a value that depends on more than 2,000 nodes that may be wrong.
Result<ErrorForecast> forecast_error(const AnyProgram& program, const StatsBook& book = {},
                                     const ErrorForecastOptions& options = {});

/// What judged answers say of a node: wrong with the share that was; nothing without any.
ErrorTag fail_tag(const Judgements& judged);

}  // namespace weft::planner
