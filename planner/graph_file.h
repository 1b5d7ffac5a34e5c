#pragma once
// A graph as people write it: a JSON file whose nodes say what they do ("llm", "tool", "map",
// "vote", ...) and name the values they read. It becomes the Body that C++ would have built, behind
// the same checks. The format is planner/graph.schema.json; examples/graphs has examples.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "inference/generate.h"
#include "inference/model.h"
#include "planner/nodes/prompt.h"
#include "planner/program.h"
#include "tools/registry.h"

namespace weft::planner {

struct RetrievedPassage {
  std::string text;
  std::string source;  // the document, as Trace::forget() takes it
};
/// The passages that match a query best, best first. From several threads.
using Retrieve = std::function<Result<std::vector<RetrievedPassage>>(
    const std::string& query, std::size_t count, std::stop_token stop)>;

/// What a file's nodes are run with. Without a model or a search, the graph can be looked at and
/// checked, and those nodes fail when run.
struct GraphParts {
  PromptNodes* model = nullptr;  // outlives the program
  std::shared_ptr<const inference::Model>
      weights;                         // of score nodes: the same model, in this process
  inference::GenerateOptions options;  // of llm nodes, where they say nothing
  Retrieve retrieve;
  tools::Policy tools;
  std::filesystem::path folder;  // of the file: where its templates and programs are
};

struct LoadedGraph {
  AnyProgram program;
  SpendLimit budget;
  std::chrono::nanoseconds timeout{0};  // of a run, also the budget's wall time; 0 = none
  std::string about;
  bool uses_model = false;
  bool uses_retrieval = false;
  std::vector<std::string> denied_tools;  // that it uses and GraphParts::tools denies
};

/// Errors: kInvalidArgument, kNotFound or kUnsupported name the node and say what is wrong and,
/// where it can be told, what was meant; those of templates that can't be read.
Result<LoadedGraph> load_graph(std::string_view json, const GraphParts& parts);

/// The type that a file calls `name`: text, int, number, bool, json, and lists of these and of such
/// lists. Errors: kNotFound lists them.
Result<const Type*> graph_type(const std::string& name);

/// What may be spent, and how long it may take.
struct GraphBudget {
  SpendLimit limit;
  std::chrono::nanoseconds wall_time{0};  // 0 = no limit
};
/// A budget as files have it: {"prompt_tokens", "output_tokens", "calls", "wall_time_s"}, each one
/// a limit. Errors: kInvalidArgument.
Result<GraphBudget> graph_budget(const nlohmann::json& json);

/// The JSON Schema of such files.
std::string_view graph_schema() noexcept;

}  // namespace weft::planner
