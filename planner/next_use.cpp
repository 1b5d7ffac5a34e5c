#include "planner/next_use.h"

#include <algorithm>

namespace weft::planner {
namespace {

class Walk {
 public:
  explicit Walk(std::vector<ModelCall>& calls) : calls_(calls) {}

  /// The longest way through `body`, which begins at level `begin`.
  std::uint64_t length(const Body& body, std::uint64_t begin) {
    std::vector<std::uint64_t> ready(body.slots.size(), begin);  // the level of each value
    std::uint64_t end = begin;
    for (const Node& node : body.nodes) {
      std::uint64_t level = begin;
      for (const Slot input : node.inputs) level = std::max(level, ready[input]);
      ready[node.output] = level + length(node, level);
      end = std::max(end, ready[node.output]);
    }
    return end - begin;
  }

 private:
  std::uint64_t length(const Node& node, std::uint64_t level) {
    if (node.bodies.empty()) {
      if (node.policy.lane != LaneKind::kModel || node.code == nullptr) return 0;
      calls_.push_back({node.code.get(), level, {}});
      return 1;
    }
    const bool repeats = node.kind == NodeKind::kMap || node.kind == NodeKind::kCollect ||
                         node.kind == NodeKind::kLoop;
    std::uint64_t longest = 0;
    for (const auto& body : node.bodies) {
      const std::size_t first = calls_.size();
      const std::uint64_t pass = length(*body, level);
      for (std::size_t i = first; repeats && i < calls_.size(); ++i) {
        calls_[i].passes.push_back({body.get(), level, pass});
      }
      longest = std::max(longest, pass);
    }
    return longest;
  }

  std::vector<ModelCall>& calls_;
};

}  // namespace

std::vector<ModelCall> model_calls(const Body& body) {
  std::vector<ModelCall> calls;
  Walk(calls).length(body, 0);
  return calls;
}

std::optional<std::uint64_t> calls_until(const ModelCall& from, const ModelCall& to) {
  if (to.level > from.level || (to.level == from.level && to.code != from.code)) {
    return to.level - from.level;
  }
  for (const ModelCall::Pass& mine : from.passes) {
    const bool is_around_both = std::ranges::any_of(
        to.passes, [&](const ModelCall::Pass& other) { return other.body == mine.body; });
    if (is_around_both) return mine.length - (from.level - to.level);
  }
  return std::nullopt;
}

}  // namespace weft::planner
