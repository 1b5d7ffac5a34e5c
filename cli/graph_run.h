#pragma once
// A run of a graph from the command line: progress while it goes on, and at its end what it gave,
// what it asks, or how to go on with it.

#include <functional>
#include <string>

#include "cli/context.h"
#include "cli/graph_machine.h"
#include "cli/graph_progress.h"
#include "cli/watched_run.h"

namespace weft::cli {

struct GraphRun {
  planner::RunOptions options;
  WatchedRun* watched = nullptr;  // null: nothing is learned from it
  std::string parent;             // of a fork: the run that it was made from
  /// Begins the run with the options that it is given.
  std::function<Result<planner::AnyRun>(const planner::RunOptions&)> start;
};

/// Runs it and prints what comes of it. Errors: those of `start` and of the run.
Result<ExitCode> run_and_report(Context& context, const GraphMachine& machine, GraphRun run);

}  // namespace weft::cli
