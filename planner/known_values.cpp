#include "planner/known_values.h"

#include <algorithm>

namespace weft::planner {
namespace {

bool is_plain(const Node& node) {
  return node.kind == NodeKind::kCode && node.code != nullptr && node.code->run &&
         node.policy.lane == LaneKind::kCpu && node.policy.effect == Effect::kPure;
}

class Finder {
 public:
  KnownValues found;

  /// Whether the body's result is known, and what ends it if it is a loop's. In the order of
  /// positions(), from next_ on.
  struct Ends {
    bool result = false;
    bool until = true;
  };
  Ends walk(const Body& body, const std::vector<bool>& inputs) {
    std::vector<bool> slots(body.slots.size(), false);
    for (std::size_t i = 0; i < inputs.size(); ++i) slots[body.inputs[i].slot] = inputs[i];
    for (const Node& node : body.nodes) slots[node.output] = visit(node, slots);
    return {slots[body.result], !body.has_until || slots[body.until]};
  }

 private:
  bool visit(const Node& node, const std::vector<bool>& slots) {
    const std::size_t index = next_++;
    if (found.inputs.size() <= index) {
      found.inputs.resize(index + 1);
      found.output.resize(index + 1);
    }
    const bool all = std::ranges::all_of(node.inputs, [&](Slot slot) { return slots[slot]; });
    found.inputs[index] = all;
    const bool value =
        node.kind == NodeKind::kCode ? all && is_plain(node) : visit_bodies(node, slots);
    found.output[index] = value;
    return value;
  }

  bool visit_bodies(const Node& node, const std::vector<bool>& slots) {
    if (node.bodies.empty()) return false;  // a person's answer
    const bool has_own = node.kind == NodeKind::kMap || node.kind == NodeKind::kCollect ||
                         node.kind == NodeKind::kLoop;
    bool first = node.inputs.empty() || slots[node.inputs[0]];  // list, state or condition
    const std::size_t begin = next_;
    const auto walk_all = [&] {
      next_ = begin;
      bool all = true;
      for (std::size_t b = 0; b < node.bodies.size(); ++b) {
        std::vector<bool> inputs;
        for (std::size_t i = 0; i < node.bodies[b]->inputs.size(); ++i) {
          inputs.push_back(has_own && i == 0 ? first : slots[node.inputs[node.arguments[b][i]]]);
        }
        const Ends ends = walk(*node.bodies[b], inputs);
        all = all && ends.result && ends.until;
      }
      return all;
    };
    bool all = walk_all();
    if (node.kind == NodeKind::kLoop && first && !all) {
      first = false;  // of the second iteration it isn't
      all = walk_all();
    }
    const bool decides = has_own || node.kind == NodeKind::kBranch;
    return all && (first || !decides);
  }

  std::size_t next_ = 0;
};

}  // namespace

KnownValues find_known_values(const Body& body, const std::vector<bool>& inputs) {
  Finder finder;
  finder.walk(body, inputs);
  return std::move(finder.found);
}

}  // namespace weft::planner
