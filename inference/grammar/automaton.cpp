#include "inference/grammar/automaton.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "inference/grammar/loop_body.h"

namespace weft::inference::grammar {
namespace {

using Kind = Automaton::State::Kind;

constexpr std::size_t kNodeDepthMax = 5000;         // of nodes within nodes: recursion of this file
constexpr std::uint64_t kLoopStatesMax = 1U << 31;  // states are numbered with 32 bits

/// Whether each node can be the empty text.
std::vector<bool> nullable_nodes(const Grammar& grammar) {
  const auto& nodes = grammar.nodes();
  std::vector<bool> nullable(nodes.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nullable[i]) continue;
      const Node& node = nodes[i];
      const auto is_nullable = [&](NodeId child) { return nullable[child]; };
      bool now = false;
      switch (node.kind) {
        case Node::Kind::kBytes:
          break;
        case Node::Kind::kSequence:
          now = std::ranges::all_of(node.children, is_nullable);
          break;
        case Node::Kind::kChoice:
          now = std::ranges::any_of(node.children, is_nullable);
          break;
        case Node::Kind::kRepeat:
          now = node.min == 0 || nullable[node.children.front()];
          break;
        case Node::Kind::kRule:
          now = nullable[*grammar.rules()[node.rule].body];
      }
      nullable[i] = now;
      changed |= now;
    }
  }
  return nullable;
}

/// Finds a rule that calls itself before anything is read.
class LeftRecursion {
 public:
  explicit LeftRecursion(const Grammar& grammar)
      : grammar_(grammar),
        nullable_(nullable_nodes(grammar)),
        colours_(grammar.rules().size(), Colour::kNew) {}

  Result<void> check(RuleId rule) {
    if (colours_[rule] == Colour::kDone) return {};
    if (colours_[rule] == Colour::kOpen) {
      return Error{ErrorCode::kInvalidArgument,
                   "rule '" + grammar_.rules()[rule].name +
                       "' calls itself before it reads anything (left recursion): put what is "
                       "read first, or write a repetition"};
    }
    if (depth_++ > kNodeDepthMax) {
      return Error{ErrorCode::kResourceExhausted, "the rules call each other too deeply"};
    }
    colours_[rule] = Colour::kOpen;
    std::vector<bool> seen(grammar_.nodes().size());
    std::vector<NodeId> open = {*grammar_.rules()[rule].body};
    while (!open.empty()) {
      const NodeId id = open.back();
      open.pop_back();
      if (seen[id]) continue;
      seen[id] = true;
      const Node& node = grammar_.nodes()[id];
      if (node.kind == Node::Kind::kRule) WEFT_TRY_VOID(check(node.rule));
      for (const NodeId child : node.children) {
        open.push_back(child);
        if (node.kind == Node::Kind::kSequence && !nullable_[child]) break;
      }
    }
    colours_[rule] = Colour::kDone;
    --depth_;
    return {};
  }

 private:
  enum class Colour : std::uint8_t { kNew, kOpen, kDone };
  const Grammar& grammar_;
  std::vector<bool> nullable_;
  std::vector<Colour> colours_;
  std::size_t depth_ = 0;
};

}  // namespace

/// Builds from the end to the start: each node is compiled knowing what follows it, and a node that
/// is followed by the same state twice is compiled once.
class Compiler {
 public:
  Compiler(const Grammar& grammar, const GrammarLimits& limits)
      : grammar_(grammar), limits_(limits), automaton_(new Automaton) {}

  Result<std::shared_ptr<const Automaton>> run() {
    for (const Rule& rule : grammar_.rules()) {
      if (!rule.body) {
        return Error{ErrorCode::kInvalidArgument, "rule '" + rule.name + "' isn't defined"};
      }
    }
    if (grammar_.nodes().size() > limits_.nodes) {
      return Error{ErrorCode::kResourceExhausted,
                   "the grammar has " + std::to_string(grammar_.nodes().size()) +
                       " parts, more than " + std::to_string(limits_.nodes)};
    }
    LeftRecursion left(grammar_);
    for (RuleId rule = 0; rule < grammar_.rules().size(); ++rule) WEFT_TRY_VOID(left.check(rule));
    add({.kind = Kind::kFinal});
    automaton_->depth_max_ = limits_.depth;
    starts_.assign(grammar_.rules().size(), Automaton::kFinal);
    // Callers find where a rule starts after all of them are there.
    for (RuleId rule = 0; rule < grammar_.rules().size(); ++rule) {
      starts_[rule] = compile(*grammar_.rules()[rule].body, Automaton::kFinal);
    }
    if (!error_.empty()) return Error{ErrorCode::kResourceExhausted, error_};
    for (const auto& [state, rule] : calls_) automaton_->states_[state].callee = starts_[rule];
    automaton_->start_ = starts_[grammar_.root];
    WEFT_TRY_VOID(number_loops());
    measure_heights();
    if (automaton_->heights_[automaton_->start_] == Automaton::kNever) {
      return Error{ErrorCode::kInvalidArgument,
                   "no text follows the grammar, or only with rules nested deeper than " +
                       std::to_string(limits_.depth)};
    }
    return std::shared_ptr<const Automaton>(std::move(automaton_));
  }

 private:
  StateId add(Automaton::State state) {
    automaton_->states_.push_back(state);
    if (automaton_->states_.size() > limits_.states) {
      error_ = "the grammar has more than " + std::to_string(limits_.states) + " states";
    }
    return static_cast<StateId>(automaton_->states_.size() - 1);
  }

  StateId split(std::vector<StateId> targets) {
    if (targets.size() == 1) return targets.front();
    auto& all = automaton_->targets_;
    const auto begin = static_cast<std::uint32_t>(all.size());
    all.insert(all.end(), targets.begin(), targets.end());
    return add(
        {.kind = Kind::kSplit, .begin = begin, .end = static_cast<std::uint32_t>(all.size())});
  }

  StateId bytes(const ByteSet& set, StateId next) {
    auto& all = automaton_->edges_;
    const auto begin = static_cast<std::uint32_t>(all.size());
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (!set[byte]) continue;
      const unsigned first = byte;
      while (byte < 255 && set[byte + 1]) ++byte;
      all.push_back({static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(byte), next});
    }
    return add(
        {.kind = Kind::kBytes, .begin = begin, .end = static_cast<std::uint32_t>(all.size())});
  }

  StateId compile(NodeId id, StateId next) {
    if (!error_.empty()) return Automaton::kFinal;
    const std::uint64_t key = std::uint64_t{id} << 32 | next;
    if (const auto found = compiled_.find(key); found != compiled_.end()) return found->second;
    if (++depth_ > kNodeDepthMax) error_ = "the grammar's parts nest too deeply";
    const StateId state = compile_new(grammar_.nodes()[id], next);
    --depth_;
    compiled_.emplace(key, state);
    return state;
  }

  StateId compile_new(const Node& node, StateId next) {
    switch (node.kind) {
      case Node::Kind::kBytes:
        return bytes(node.bytes, next);
      case Node::Kind::kSequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
          next = compile(*child, next);
        }
        return next;
      case Node::Kind::kChoice: {
        std::vector<StateId> targets;
        for (const NodeId child : node.children) targets.push_back(compile(child, next));
        return split(std::move(targets));
      }
      case Node::Kind::kRepeat:
        return repeat(node, next);
      case Node::Kind::kRule:
        calls_.emplace_back(add({.kind = Kind::kCall, .next = next}), node.rule);
        return calls_.back().first;
    }
    return next;
  }

  StateId repeat(const Node& node, StateId next) {
    const NodeId body = node.children.front();
    if (node.max == 0) return next;
    if (node.max == 1) {
      const StateId once = compile(body, next);
      return node.min == 1 ? once : split({once, next});
    }
    if (const auto loop = body_of(body); loop != nullptr) {
      automaton_->loops_.push_back({loop, node.min, node.max, next});
      return add({.kind = Kind::kLoop,
                  .callee = static_cast<std::uint32_t>(automaton_->loops_.size() - 1)});
    }
    // Copies are calls of what is compiled once.
    const StateId callee = compile(body, Automaton::kFinal);
    const auto copy = [&](StateId then) {
      return add({.kind = Kind::kCall, .callee = callee, .next = then});
    };
    if (node.max == kUnbounded) {
      const StateId again = split({Automaton::kFinal, next});
      automaton_->targets_[automaton_->states_[again].begin] = copy(again);
      next = again;
    } else {
      const StateId end = next;
      for (std::uint32_t i = node.min; i < node.max && error_.empty(); ++i) {
        next = split({copy(next), end});
      }
    }
    for (std::uint32_t i = 0; i < node.min && error_.empty(); ++i) next = copy(next);
    return next;
  }

  std::shared_ptr<const LoopBody> body_of(NodeId node) {
    const auto [found, is_new] = bodies_.try_emplace(node);
    if (is_new) found->second = loop_body(grammar_, node);
    return found->second;
  }

  Result<void> number_loops() {
    std::uint64_t first = automaton_->states_.size();
    for (auto& loop : automaton_->loops_) {
      loop.first = static_cast<StateId>(first);
      const std::uint64_t counts = loop.max == kUnbounded ? loop.min : loop.max;
      first += (counts + 1) * loop.body->next.size();
      if (first >= kLoopStatesMax) {
        return Error{ErrorCode::kResourceExhausted, "the grammar's repetitions count too far"};
      }
    }
    return {};
  }

  void measure_heights() {
    const Automaton& a = *automaton_;
    auto& heights = automaton_->heights_;
    heights.assign(a.states_.size(), Automaton::kNever);
    const auto measure = [&](const Automaton::State& state) -> std::size_t {
      std::size_t least = Automaton::kNever;
      switch (state.kind) {
        case Kind::kFinal:
          return 0;
        case Kind::kBytes:
          for (const auto& edge : a.edges(state))
            least = std::min<std::size_t>(least, heights[edge.to]);
          return least;
        case Kind::kSplit:
          for (const StateId to : a.targets(state))
            least = std::min<std::size_t>(least, heights[to]);
          return least;
        case Kind::kCall: {
          const std::size_t inner = heights[state.callee];
          // The last call of a rule needs no place to return to.
          return std::max<std::size_t>(state.next == Automaton::kFinal ? inner : inner + 1,
                                       heights[state.next]);
        }
        case Kind::kLoop:
          return heights[a.loop(state).exit];
      }
      return least;
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (StateId id = 0; id < heights.size(); ++id) {
        const std::size_t height = measure(a.states_[id]);
        if (height >= heights[id] || height > limits_.depth) continue;
        heights[id] = static_cast<std::uint16_t>(height);
        changed = true;
      }
    }
  }

  const Grammar& grammar_;
  const GrammarLimits& limits_;
  std::unique_ptr<Automaton> automaton_;
  std::vector<StateId> starts_;                    // of rules
  std::vector<std::pair<StateId, RuleId>> calls_;  // whose callees aren't filled in yet
  std::unordered_map<std::uint64_t, StateId> compiled_;
  std::map<NodeId, std::shared_ptr<const LoopBody>> bodies_;
  std::size_t depth_ = 0;
  std::string error_;
};

Automaton::LoopPlace Automaton::place(StateId id) const noexcept {
  const auto after = std::ranges::upper_bound(loops_, id, {}, &Loop::first);
  const Loop& loop = *(after - 1);
  const auto stride = static_cast<std::uint32_t>(loop.body->next.size());
  const std::uint32_t offset = id - loop.first;
  return {&loop, offset / stride, static_cast<std::uint8_t>(offset % stride)};
}

Result<std::shared_ptr<const Automaton>> compile(const Grammar& grammar,
                                                 const GrammarLimits& limits) {
  return Compiler(grammar, limits).run();
}

}  // namespace weft::inference::grammar
