#include "planner/patterns/tree.h"

#include <catch2/catch.hpp>

#include "base/lanes.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

Result<Text> folded(const Texts& texts, const TreeOptions& options) {
  Graph g;
  const auto all = tree(g, "all", g.input<Texts>("texts"), options, [](Graph& in, Out<Text> group) {
    return in.node(
        "wrap", [](Ctx&, const Text& text) { return "<" + text + ">"; }, {}, group);
  });
  WEFT_TRY(program, g.build(all));
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  return Runtime(executor).run(program, Inputs().set("texts", texts));
}

TEST_CASE("a tree merges groups level by level until one text is left") {
  CHECK(folded({"a", "b", "c", "d", "e"}, {.fan_in = 2, .separator = ""}).value() ==
        "<<<ab><cd>><<e>>>");
  CHECK(folded({"a", "b", "c"}, {.fan_in = 3, .separator = "+"}).value() == "<a+b+c>");
  CHECK(folded({"a"}, {}).value() == "<a>");
  CHECK(folded({"a", "b", "c"}, {.fan_in = 0, .separator = ""}).value() == "<<ab><c>>");
  CHECK(folded({}, {}).error().message == "node all: the tree ends with 0 texts, not with one");
}

}  // namespace
}  // namespace weft::planner
