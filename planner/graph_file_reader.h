#pragma once
// Reads a graph's file into a Graph. Internal: graph_file.h is what others use. graph_file.cpp has
// names, inputs, tools and code; graph_file_control.cpp the nodes with graphs inside,
// graph_file_plan.cpp plans.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "planner/graph.h"
#include "planner/graph_file.h"
#include "planner/graph_file_json.h"
#include "planner/graph_file_kinds.h"
#include "planner/plans/plan.h"
#include "tools/program_tool.h"

namespace weft::planner::file {

/// The keys of every node.
inline const Names kNodeKeys = {"name", "kind", "inputs", "about"};
Names with(Names names, const Names& more);

class Reader {
 public:
  Reader(const GraphParts& parts, const Json& json) : parts_(parts), json_(json) {}

  Result<LoadedGraph> read();

 private:
  struct Named {
    const Graph* graph = nullptr;
    Slot slot = 0;
    const Type* type = nullptr;
  };

  /// The values that can be named in one graph; those around it too.
  struct NamesHere {
    Graph* graph;
    const NamesHere* around;
    std::map<std::string, Named, std::less<>> here;
  };

  static Result<void> define(NamesHere& names, const std::string& name, Slot slot,
                             const Type* type);
  /// Where a value is in the graph of `names`; `later` are the nodes of the list that is read.
  static Result<Named> find(const NamesHere& names, const std::string& name, const Json& later);
  static Result<Named> find_key(const NamesHere& names, const Json& json, const char* key,
                                const Json& later);

  Result<void> read_inputs(Graph& graph, NamesHere& names);
  Result<void> read_tools();
  Result<tools::ProgramTool> read_tool(const Json& json) const;

  /// The list "nodes" of `json`, and the value that its "result" names.
  Result<Named> read_nodes(const Json& json, NamesHere& names, std::size_t depth);
  Result<void> read_node(const Json& json, const Json& nodes, NamesHere& names, std::size_t depth);

  struct Place {
    const Json& json;
    const Json& nodes;  // of the list that it is in
    NamesHere& names;
    const std::string& name;
    std::size_t depth;

    Graph& graph() const { return *names.graph; }
  };

  /// Adds code under `name`, on values that are there, and lets it be named.
  static Result<Named> add_code(const Place& place, const std::string& name, FunctionPtr code,
                                const Policy& policy, const std::vector<Named>& inputs);
  Result<void> read_code(const Place& place, const CodeKind& kind);
  /// kind.make(), with a fingerprint for a trace's key.
  static Result<MadeCode> make_code(const CodeKind& kind, const CodeRequest& request);
  /// That the graph calls it: the caller is told of those that aren't allowed.
  void note_tool(const std::string& tool);
  Result<PromptTemplate> read_template(const Json& json, const std::string& key) const;
  /// "inputs" is a list of values or, where the node names its inputs, an object of such. A
  /// template's places that it doesn't mention read the values of their own names.
  static Result<std::vector<Named>> read_inputs_of(const Place& place, CodeRequest& request);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  /// What a node calls each of its inputs, and the value that it reads.
  static Result<Pairs> read_pairs(const Json& json);
  static Result<Pairs> in_order(const Names& places, const Pairs& given);

  /// Reads a graph inside `node` whose first own value, if it has one, is called `as`; returns its
  /// result's type. "until", where it is, ends a loop.
  Result<const Type*> read_inside(const Place& place, Node& node, const std::string& inner_name,
                                  const Json& json, const std::string& as, const Type* own);
  Result<void> close(const Place& place, const std::string& name, Node node, const Type* type);
  Result<void> read_map(const Place& place);
  /// Level by level: the texts in groups, one graph a group, until one text is left.
  Result<void> read_tree(const Place& place);
  Result<void> read_loop(const Place& place);
  Result<void> read_branch(const Place& place);
  Result<void> read_scope(const Place& place);
  Result<void> read_ask(const Place& place);
  /// Two answers compared, one scored beside a reference, or several scored; each but the second is
  /// asked twice, with the answers swapped. A verdict that follows the place is a tie.
  Result<void> read_judge(const Place& place);

  /// The steps that a value names or, without "from", that a model writes down: held to the plans'
  /// schema, checked, and once written again if there is a mistake in it.
  Result<void> read_plan(const Place& place);
  Result<PlanKit> read_plan_kit(const Place& place, std::vector<Named>& inputs);
  Result<PlanKind> read_plan_kind(const std::string& name, const Json& options);
  /// The nodes that write the plan; returns the last one's text.
  Result<Named> read_drafts(const Place& place, const PlanKit& kit);

  const GraphParts& parts_;
  const Json& json_;
  std::shared_ptr<const tools::Registry> registry_;
  bool uses_model_ = false;
  bool uses_retrieval_ = false;
  std::vector<std::string> denied_;
};

}  // namespace weft::planner::file
