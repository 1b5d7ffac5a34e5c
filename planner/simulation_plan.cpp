#include "planner/simulation_plan.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "planner/known_values.h"

namespace weft::planner {
namespace {

/// A graph in the program: which one of which node.
struct Place {
  const Body* body = nullptr;
  std::ptrdiff_t around = -1;
  std::size_t which = 0;
  auto key() const { return std::pair(around, which); }
};

/// Where a value comes from: a node of code, or an input of the program.
struct Origin {
  bool is_input = false;
  std::size_t index = 0;  // position, or input
  std::size_t level = 0;  // lists around the value that was asked for
};

class Planner {
 public:
  Planner(const Body& body, const StatsBook& book, const Machine& machine,
          const ForecastOptions& options)
      : body_(body), book_(book), machine_(machine), given_(options.inputs) {
    plan_.positions = positions(body);
    plan_.nodes.resize(plan_.positions.size());
    plan_.inputs.resize(body.inputs.size());
    for (std::size_t i = 0; i < plan_.positions.size(); ++i) {
      const Position& p = plan_.positions[i];
      by_place_[{p.around, p.which, p.node}] = i;
    }
    if (!options.runs_plain_code) return;
    std::vector<bool> is_given;
    for (const Input& input : body.inputs) is_given.push_back(given_.values().contains(input.name));
    const KnownValues known = find_known_values(body, is_given);
    for (std::size_t i = 0; i < plan_.positions.size(); ++i) {
      const Node& node = plan_.positions[i].what();
      if (node.kind != NodeKind::kCode) continue;
      plan_.nodes[i].is_run = known.output[i];
      plan_.nodes[i].has_prompt = known.inputs[i] && node.code != nullptr && node.code->prompt;
    }
  }

  SimulationPlan make() {
    for (std::size_t i = 0; i < plan_.positions.size(); ++i) {
      switch (plan_.positions[i].what().kind) {
        case NodeKind::kCode:
        case NodeKind::kAsk:
        case NodeKind::kPlan:
          plan_code(i);
          break;
        case NodeKind::kMap:
        case NodeKind::kCollect:
          plan_map(i);
          break;
        case NodeKind::kLoop:
          plan_loop(i);
          break;
        case NodeKind::kBranch:
          plan_branch(i);
          break;
        case NodeKind::kScope:
          break;
      }
    }
    return std::move(plan_);
  }

 private:
  Place place_of(const Position& position) const {
    return {position.body, position.around, position.which};
  }
  Place inside(std::size_t position, std::size_t which) const {
    const Node& node = plan_.positions[position].what();
    return {node.bodies[which].get(), static_cast<std::ptrdiff_t>(position), which};
  }

  void plan_code(std::size_t index) {
    const Position& position = plan_.positions[index];
    const Node& node = position.what();
    NodePlan& plan = plan_.nodes[index];
    const bool is_model = node.policy.lane == LaneKind::kModel;
    const std::string function = function_key(node);
    const std::string model = is_model ? machine_.model : "";
    const NodeStats stats = book_.find(function, position.path, model);
    plan.output = position.body->slots[node.output].type;
    plan.trials = stats.trials;
    plan.is_known = stats.trials > 0;
    plan.done = stats.done.items();
    plan.failed = stats.failed.items();
    if (stats.trials > 0 && !plan.is_run)
      plan.failure = double(stats.failures) / double(stats.trials);
    if (plan.done.empty()) plan.done.push_back(plan.is_known ? plan.failed.front() : guess(node));
    if (plan.failed.empty()) plan.failed = plan.done;
    for (auto* samples : {&plan.done, &plan.failed}) {
      for (AttemptSample& sample : *samples) {
        if (is_model && sample.money_micros == 0) sample.money_micros = price(sample);
      }
    }
    plan.in_engine = is_model && machine_.engine && node.code != nullptr && !node.code->run;
    const bool is_here = book_.knows(function, position.path, model);
    const auto [known, is_new] =
        evidence_.try_emplace({function, is_here ? position.path : ""}, evidence_.size());
    plan.evidence = known->second;
    plan_.evidences = evidence_.size();
    // What is run needs no statistics but its time, which plain code takes little of.
    if (!plan.is_known && !plan.is_run) plan_.unknown.push_back(position.path);
    if (plan.has_prompt) std::ranges::stable_sort(plan.done, {}, &AttemptSample::prompt_tokens);
  }

  static AttemptSample guess(const Node& node) {
    const Spend& cost = node.policy.cost;
    return {.seconds = std::chrono::duration<double>(node.policy.expected).count(),
            .prompt_tokens = cost.prompt_tokens,
            .output_tokens = cost.output_tokens,
            .calls = cost.calls,
            .money_micros = cost.money_micros};
  }
  std::int64_t price(const AttemptSample& sample) const {
    return machine_.price.of(sample.prompt_tokens, sample.output_tokens);
  }

  const ControlStats* known(std::size_t index) const {
    return book_.find_control(plan_.positions[index].path);
  }

  void plan_map(std::size_t index) {
    const Position& position = plan_.positions[index];
    const ControlStats* stats = known(index);
    const bool is_known = stats != nullptr && !stats->counts.items().empty();
    bool is_asked = false;
    for (const Origin& origin : origins(place_of(position), position.what().inputs[0])) {
      Shape* shape = shape_of(origin);
      if (shape == nullptr) continue;
      is_asked = true;
      if (!is_known) continue;
      if (shape->widths.size() <= origin.level) shape->widths.resize(origin.level + 1);
      auto& widths = shape->widths[origin.level];
      if (widths == nullptr) widths = &stats->counts.items();
    }
    if (is_asked && !is_known) plan_.unknown.push_back(position.path);
  }

  void plan_branch(std::size_t index) {
    const Position& position = plan_.positions[index];
    const ControlStats* stats = known(index);
    const std::int64_t all = stats == nullptr ? 0 : stats->yes + stats->no;
    bool is_asked = false;
    for (const Origin& origin : origins(place_of(position), position.what().inputs[0])) {
      Shape* shape = shape_of(origin);
      if (shape == nullptr) continue;
      is_asked = true;
      constexpr double kEither = 0.5;
      shape->yes = all > 0 ? double(stats->yes) / double(all) : kEither;
    }
    if (is_asked && all == 0) plan_.unknown.push_back(position.path);
  }

  void plan_loop(std::size_t index) {
    const Position& position = plan_.positions[index];
    const Body& body = *position.what().bodies[0];
    if (!body.has_until) return;
    const ControlStats* stats = known(index);
    if (stats == nullptr || stats->counts.items().empty()) {
      return plan_.unknown.push_back(position.path);
    }
    std::vector<double> ends;
    std::vector<std::int64_t> taken = stats->counts.items();
    std::ranges::sort(taken);
    const std::int64_t bound = position.what().iterations_max;
    for (std::int64_t i = 1; i <= std::min(taken.back(), bound); ++i) {
      const auto [from, to] = std::ranges::equal_range(taken, i);
      ends.push_back(double(to - from) / double(taken.end() - from));
    }
    std::size_t depth = 0;
    for (auto at = position.around; at >= 0;) {
      const Position& outer = plan_.positions[static_cast<std::size_t>(at)];
      const NodeKind kind = outer.what().kind;
      if (kind != NodeKind::kBranch && kind != NodeKind::kScope) ++depth;
      at = outer.around;
    }
    for (const Origin& origin : origins(inside(index, 0), body.until)) {
      if (origin.is_input) continue;
      plan_.nodes[origin.index].ends = ends;
      plan_.nodes[origin.index].loop_depth = depth;
    }
  }

  /// Null for an input that is given, and for a node that is run.
  Shape* shape_of(const Origin& origin) {
    if (!origin.is_input) {
      NodePlan& plan = plan_.nodes[origin.index];
      return plan.is_run ? nullptr : &plan.shape;
    }
    if (given_.values().contains(body_.inputs[origin.index].name)) return nullptr;
    return &plan_.inputs[origin.index];
  }

  std::vector<Origin> origins(const Place& place, Slot slot) const {
    std::vector<Origin> found;
    std::set<std::tuple<std::ptrdiff_t, std::size_t, Slot, std::size_t>> seen;
    trace(place, slot, 0, seen, found);
    return found;
  }

  template <typename Seen>
  void trace(const Place& place, Slot slot, std::size_t level, Seen& seen,
             std::vector<Origin>& found) const {
    if (!seen.emplace(place.around, place.which, slot, level).second) return;
    const Body& body = *place.body;
    for (std::size_t i = 0; i < body.inputs.size(); ++i) {
      if (body.inputs[i].slot == slot) return trace_input(place, i, level, seen, found);
    }
    for (std::uint32_t n = 0; n < body.nodes.size(); ++n) {
      if (body.nodes[n].output != slot) continue;
      const std::size_t index = by_place_.at({place.around, place.which, n});
      return trace_node(place, index, level, seen, found);
    }
  }

  template <typename Seen>
  void trace_input(const Place& place, std::size_t i, std::size_t level, Seen& seen,
                   std::vector<Origin>& found) const {
    if (place.around < 0) return found.push_back({true, i, level});
    const Position& outer = plan_.positions[static_cast<std::size_t>(place.around)];
    const Node& node = outer.what();
    if (i == 0 && (node.kind == NodeKind::kMap || node.kind == NodeKind::kCollect)) {
      return trace(place_of(outer), node.inputs[0], level + 1, seen, found);
    }
    if (i == 0 && node.kind == NodeKind::kLoop) {
      trace(place, place.body->result, level, seen, found);
      return trace(place_of(outer), node.inputs[0], level, seen, found);
    }
    trace(place_of(outer), node.inputs[node.arguments[place.which][i]], level, seen, found);
  }

  template <typename Seen>
  void trace_node(const Place& place, std::size_t index, std::size_t level, Seen& seen,
                  std::vector<Origin>& found) const {
    const Node& node = plan_.positions[index].what();
    const bool is_map = node.kind == NodeKind::kMap || node.kind == NodeKind::kCollect;
    if (node.bodies.empty()) return found.push_back({false, index, level});
    // A map's list is as wide as the one that it was made from.
    if (is_map && level == 0) return trace(place, node.inputs[0], 0, seen, found);
    if (node.kind == NodeKind::kLoop) trace(place, node.inputs[0], level, seen, found);
    for (std::size_t b = 0; b < node.bodies.size(); ++b) {
      trace(inside(index, b), node.bodies[b]->result, is_map ? level - 1 : level, seen, found);
    }
  }

  const Body& body_;
  const StatsBook& book_;
  const Machine& machine_;
  const Inputs& given_;
  SimulationPlan plan_;
  std::map<std::tuple<std::ptrdiff_t, std::size_t, std::uint32_t>, std::size_t> by_place_;
  std::map<std::pair<std::string, std::string>, std::size_t> evidence_;
};

}  // namespace

SimulationPlan make_plan(const Body& body, const StatsBook& book, const Machine& machine,
                         const ForecastOptions& options) {
  return Planner(body, book, machine, options).make();
}

}  // namespace weft::planner
