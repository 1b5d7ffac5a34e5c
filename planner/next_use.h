#pragma once
// When the calls of a program come, as far as its graph says: what a cache of prompts should keep
// is what comes soonest. Source: Pan et al. 2025 (KVFlow), steps to execution; Belady 1966.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "planner/body.h"

namespace weft::planner {

/// A node that calls a model.
struct ModelCall {
  const Function* code = nullptr;
  /// How many calls of the longest way through the graph lie before it; a branch counts as its
  /// longer side, a loop as one pass.
  std::uint64_t level = 0;
  /// Of the maps and loops around it, the innermost first: the level at which a pass begins, and
  /// how many calls it is long. Another pass may follow.
  struct Pass {
    const Body* body = nullptr;
    std::uint64_t begin = 0;
    std::uint64_t length = 0;
  };
  std::vector<Pass> passes;
};

/// Those of nodes on the model lane, inside graphs included.
std::vector<ModelCall> model_calls(const Body& body);

/// In how many calls, counted from when `from` starts, `to` may start: at once where they are on
/// one level, in the next pass of what is around both where it came before; nothing where it is
/// over.
std::optional<std::uint64_t> calls_until(const ModelCall& from, const ModelCall& to);

}  // namespace weft::planner
