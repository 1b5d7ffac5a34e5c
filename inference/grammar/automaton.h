#pragma once
// A grammar made to run: states with edges of bytes, and calls of rules, whose return states make a
// stack. Repetitions of what has one reading and no prefix in common (a character, an escape, a
// digit) are loops with a counter instead of copies: they are most of what text consists of, and
// their masks can be shared (loop_table.h). Source: Woods 1970 (recursive transition networks).

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/grammar/grammar.h"

namespace weft::inference::grammar {

using StateId = std::uint32_t;

/// What a loop repeats: a deterministic automaton that ends where it accepts.
struct LoopBody {
  static constexpr std::uint8_t kDead = 0xFF;
  static constexpr std::uint8_t kDone = 0xFE;
  std::vector<std::array<std::uint8_t, 256>> next;  // by state, 0 first

  friend bool operator==(const LoopBody&, const LoopBody&) = default;
};

class Automaton {
 public:
  struct Edge {
    std::uint8_t first;
    std::uint8_t last;  // included
    StateId to;
  };
  struct State {
    enum class Kind : std::uint8_t { kFinal, kBytes, kSplit, kCall, kLoop };
    Kind kind;
    std::uint32_t begin = 0;  // kBytes: of edges(); kSplit: of targets()
    std::uint32_t end = 0;
    std::uint32_t callee = 0;  // kCall: the first state of the rule; kLoop: index of loops()
    StateId next = 0;          // kCall: after it
  };
  /// Its states are numbers without memory: `first` + count * (states of the body) + state.
  struct Loop {
    std::shared_ptr<const LoopBody> body;
    std::uint32_t min;
    std::uint32_t max;  // or kUnbounded, where the count stays at min once it is there
    StateId exit;
    StateId first = 0;
  };
  struct LoopPlace {
    const Loop* loop;
    std::uint32_t count;  // whole repetitions so far
    std::uint8_t state;   // of the body
  };

  /// The end of a rule.
  static constexpr StateId kFinal = 0;
  /// The height of states that nothing can complete.
  static constexpr std::uint16_t kNever = 0xFFFF;

  StateId start() const noexcept { return start_; }
  std::size_t depth_max() const noexcept { return depth_max_; }
  const State& state(StateId id) const noexcept { return states_[id]; }
  std::span<const Edge> edges(const State& state) const noexcept {
    return std::span(edges_).subspan(state.begin, state.end - state.begin);
  }
  std::span<const StateId> targets(const State& state) const noexcept {
    return std::span(targets_).subspan(state.begin, state.end - state.begin);
  }
  const Loop& loop(const State& state) const noexcept { return loops_[state.callee]; }
  bool is_in_loop(StateId id) const noexcept { return id >= states_.size(); }
  LoopPlace place(StateId id) const noexcept;  // `id` is in a loop
  std::size_t size() const noexcept { return states_.size(); }

  /// How many more calls of rules are needed, one in another, to get to the rule's end.
  std::uint16_t height(StateId id) const noexcept {
    return is_in_loop(id) ? heights_[place(id).loop->exit] : heights_[id];
  }

 private:
  friend class Compiler;
  Automaton() = default;

  StateId start_ = kFinal;
  std::size_t depth_max_ = 0;
  std::vector<State> states_;
  std::vector<Edge> edges_;
  std::vector<StateId> targets_;
  std::vector<Loop> loops_;  // by `first`
  std::vector<std::uint16_t> heights_;
};

/// Errors: kInvalidArgument for a rule that is undefined or calls itself before it has read
/// anything (left recursion), both named, or if no text follows the grammar; kResourceExhausted
/// beyond the limits of states and nesting.
Result<std::shared_ptr<const Automaton>> compile(const Grammar& grammar,
                                                 const GrammarLimits& limits = {});

}  // namespace weft::inference::grammar
