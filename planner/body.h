#pragma once
// A graph as data: the one table that the builder, a file and a plan are checked into, and that
// runs.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "planner/function.h"
#include "planner/policy.h"

namespace weft::planner {

struct Body;

/// A value's place in its Body; the inputs' come first where they were declared first.
using Slot = std::uint32_t;

enum class NodeKind { kCode, kMap, kCollect, kLoop, kBranch, kScope, kAsk, kPlan };

/// "code", "map", ... as in a graph's file.
std::string_view to_string(NodeKind kind) noexcept;

struct Node {
  std::string name;
  NodeKind kind = NodeKind::kCode;
  Policy policy;  // of code
  std::vector<Slot> inputs;
  Slot output = 0;

  // Code, and what expands a kPlan:
  std::string function;
  FunctionPtr code;

  /// Graphs inside: of kBranch yes and no, of the others one. The first input of a kMap or kCollect
  /// is the list, of a kLoop the initial state, of a kBranch the condition.
  std::vector<std::shared_ptr<const Body>> bodies;
  /// arguments[b][i]: which of the node's inputs is input i of body b. Of a kMap or kLoop, input 0
  /// is the element or the state instead.
  std::vector<std::vector<std::uint32_t>> arguments;
  int iterations_max = 0;                 // of kLoop
  SpendLimit limit;                       // of kScope
  std::chrono::nanoseconds wall_time{0};  // of kScope: how long it may take; 0 = no limit
};

struct Input {
  std::string name;
  const Type* type = nullptr;
  Slot slot = 0;
};

struct Body {
  std::vector<Input> inputs;
  std::vector<Node> nodes;  // in an order in which they could run
  Slot result = 0;
  Slot until = 0;  // of a loop's body: the bool that ends it
  bool has_until = false;

  // Derived by check():
  struct SlotInfo {
    const Type* type = nullptr;
    std::string name;                    // of its input or node
    std::vector<std::uint32_t> readers;  // nodes, once for each time they read it
  };
  std::vector<SlotInfo> slots;
  std::vector<std::uint32_t> sources;   // nodes without inputs
  std::vector<std::int64_t> remaining;  // ns: the longest expected path from a node to the end
};

struct BodyLimits {
  std::size_t nodes_max = 4'000'000;  // inside graphs included
  std::size_t depth_max = 16;         // of graphs inside graphs
  int iterations_max = 1'000'000;
};

/// The type of the value at a path such as "refine[2]/fix"; null if no node can have that path.
const Type* type_at(const Body& body, std::string_view path) noexcept;

/// Checks everything that can be known before a run, and fills in what is derived. The graphs
/// inside have been checked already. Errors: kInvalidArgument names the node and says what is
/// wrong.
Result<void> check(Body& body, const BodyLimits& limits = {});

/// Whether a node that is sure to run sets aside more than the whole limit, so that a run would
/// fail for certain. Errors: kInvalidArgument names the node and the unit.
Result<void> check_budget(const Body& body, const SpendLimit& limit);

}  // namespace weft::planner
