#pragma once
// A state that grows by a piece of 256 bytes a step and is kept as its pieces: what others store
// whole, again and again.

#include <string>
#include <vector>

#include "planner/graph.h"

namespace weft::test {

using Texts = std::vector<std::string>;

/// From the input "state", 200 steps.
inline Result<planner::Program<Texts>> growing_state() {
  using planner::Ctx;
  using planner::Out;
  planner::Graph g;
  return g.build(g.loop(
      "grow", g.input<Texts>("state"),
      [](planner::Graph& inside, Out<Texts> state) {
        const auto piece = inside.node(
            "write",
            [](Ctx&, const Texts& texts) {
              return std::string(250, 'x') + std::to_string(100'000 + texts.size());
            },
            {}, state);
        return inside.node(
            "append",
            [](Ctx&, const Texts& texts, const std::string& more) {
              Texts all = texts;
              all.push_back(more);
              return all;
            },
            {.recompute = true}, state, piece);
      },
      200));
}

}  // namespace weft::test
