#pragma once
// What a graph from a file runs on: lanes, a model here or behind a network, a collection to
// search.

#include <memory>
#include <optional>
#include <string>

#include "base/lanes.h"
#include "cli/context.h"
#include "cli/remote.h"
#include "inference/engine.h"
#include "planner/graph_file.h"
#include "planner/runtime.h"

namespace weft::cli {

/// Owns what a graph's nodes borrow.
struct GraphMachine {
  static constexpr std::size_t kCpuThreads = 2;  // for plain code
  static constexpr std::size_t kIoThreads = 4;   // for tools and searches

  /// `workers`: threads of either kind; 0 = those.
  explicit GraphMachine(std::size_t workers = 0)
      : lanes({.cpu_threads = workers > 0 ? workers : kCpuThreads,
               .io_threads = workers > 0 ? workers : kIoThreads}) {}

  std::optional<Engine> loaded;
  std::optional<inference::Engine> engine;
  std::optional<Remote> remote;  // instead of these two
  SystemTimers timers;
  Lanes lanes;
  planner::ThreadExecutor executor{lanes, timers};
  std::unique_ptr<planner::PromptNodes> nodes;
  planner::Runtime runtime{executor};

  /// As the user named it; empty for none.
  std::string model_name() const;
};

/// Loads what `graph`, read from `text` with `parts`, needs, and then the graph itself with it.
/// Errors: those of load_engine(), open_remote(), open_store() and load_graph().
Result<void> equip(Context& context, const std::string& text, planner::GraphParts& parts,
                   GraphMachine& machine, planner::LoadedGraph& graph);

}  // namespace weft::cli
