#pragma once
// What a forecast draws for each node of a program, worked out once for all samples. Inside planner
// only.

#include <string>
#include <vector>

#include "planner/forecast.h"
#include "planner/positions.h"
#include "planner/stand_in.h"

namespace weft::planner {

/// What is drawn for one node of code.
struct NodePlan {
  bool is_known = false;
  double failure = 0;  // chance of an attempt
  std::int64_t trials = 0;
  std::size_t evidence = 0;         // nodes with the same have their chance from the same attempts
  std::vector<AttemptSample> done;  // at least one
  std::vector<AttemptSample> failed;  // at least one if failure > 0
  bool in_engine = false;             // takes the time that its tokens need there
  bool is_run = false;                // its own code is, and nothing drawn but its time
  bool has_prompt = false;            // what it reads is known; `done` is by rising prompt tokens
  const Type* output = nullptr;
  Shape shape;
  /// Of what ends a loop: the chance that it does in its i-th iteration, if it came there; true
  /// beyond. Empty: not such a node.
  std::vector<double> ends;
  std::size_t loop_depth = 0;  // which index of its path is the iteration
};

struct SimulationPlan {
  std::vector<Position> positions;
  std::vector<NodePlan> nodes;  // by position; of control ones nothing is used
  std::vector<Shape> inputs;    // of those that aren't given
  std::size_t evidences = 0;    // numbers of NodePlan::evidence
  std::vector<std::string> unknown;
};

/// Borrows all four for as long as the plan is used.
SimulationPlan make_plan(const Body& body, const StatsBook& book, const Machine& machine,
                         const ForecastOptions& options);

}  // namespace weft::planner
