#pragma once
// What the verbs that take a graph's file read from the command line: inputs, budgets, tools.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "cli/context.h"
#include "cli/verbs.h"
#include "planner/graph_file.h"
#include "planner/runtime.h"

namespace weft::cli {

inline constexpr std::size_t kGraphBytesMax = 4 << 20;

struct GraphOptions {
  std::string file;
  std::vector<std::string> inputs;  // NAME=VALUE
  std::vector<std::string> allowed_tools;
  bool allows_tools = false;
  std::vector<std::string> budget;  // UNIT=N
  double timeout_s = 0;
  std::size_t workers = 0;  // 0 = as GraphMachine has them
};

/// --input; --budget, --timeout, --workers and the model's settings; --allow-tool.
void add_graph_inputs(CLI::App& verb, GraphOptions& options);
void add_graph_limits(CLI::App& verb, GraphOptions& options, Parsed& parsed);
void add_graph_tools(CLI::App& verb, GraphOptions& options);

/// "NAME=VALUE" taken apart. Errors: kInvalidArgument names the flag.
Result<std::pair<std::string, std::string>> pair_of(const std::string& text, const char* flag);
/// A text as it stands, anything else as JSON.
Result<planner::Value> value_of(const planner::Type& type, const std::string& text);
/// Those that the command line gives. Errors: kInvalidArgument for one that the graph hasn't, or of
/// another type.
Result<planner::Inputs> given_inputs(const Context& context, const GraphOptions& options,
                                     const planner::Body& body);
/// All that the graph needs. Errors: kInvalidArgument also says which is missing.
Result<planner::Inputs> inputs_of(const Context& context, const GraphOptions& options,
                                  const planner::Body& body);
/// The file's where the command line says nothing; its wall time is --timeout where that is given.
/// Errors: kInvalidArgument.
Result<planner::GraphBudget> budget_of(const GraphOptions& options,
                                       const planner::LoadedGraph& graph);
/// What the file's nodes are run with, but for the model and the collection.
planner::GraphParts parts_of(const GraphOptions& options);
/// Errors: kPermissionDenied says with which flags the graph's tools are allowed.
Result<void> check_tools(const planner::LoadedGraph& graph);

}  // namespace weft::cli
