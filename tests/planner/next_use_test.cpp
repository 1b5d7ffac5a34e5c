#include "planner/next_use.h"

#include <catch2/catch.hpp>
#include <string>

#include "planner/graph.h"

namespace weft::planner {
namespace {

using Text = std::string;

FunctionPtr model() {
  auto made = std::make_shared<Function>();
  made->inputs = {type_of<Text>()};
  made->output = type_of<Text>();
  made->run = [](Ctx&, Arguments in) -> Result<Value> { return *in[0]; };
  return made;
}

const Policy kModel = {.lane = LaneKind::kModel};

struct Calls {
  explicit Calls(const Body& body) : all(model_calls(body)) {}
  const ModelCall& of(const FunctionPtr& code) const {
    return *std::ranges::find(all, code.get(), &ModelCall::code);
  }
  std::optional<std::uint64_t> until(const FunctionPtr& from, const FunctionPtr& to) const {
    return calls_until(of(from), of(to));
  }
  std::vector<ModelCall> all;
};

TEST_CASE("calls of a chain come one after the other, and not again") {
  const FunctionPtr a = model(), b = model(), c = model();
  Graph g;
  const auto first = g.call<Text>("a", a, kModel, g.input<Text>("in"));
  const auto plain = g.node(
      "plain", [](Ctx&, const Text& x) { return x; }, {}, first);
  const auto second = g.call<Text>("b", b, kModel, plain);
  const auto program = g.build(g.call<Text>("c", c, kModel, second)).value();
  const Calls calls(program.body());
  REQUIRE(calls.all.size() == 3);
  CHECK(calls.until(a, b) == 1);
  CHECK(calls.until(a, c) == 2);
  CHECK(calls.until(b, c) == 1);
  CHECK_FALSE(calls.until(c, a));
  CHECK_FALSE(calls.until(a, a));
}

TEST_CASE("siblings come at once, and what joins them behind the longer way") {
  const FunctionPtr a = model(), b = model(), longer = model(), join = model();
  Graph g;
  const auto in = g.input<Text>("in");
  const auto left = g.call<Text>("a", a, kModel, in);
  const auto right = g.call<Text>("longer", longer, kModel, g.call<Text>("b", b, kModel, in));
  const auto both = g.node(
      "both", [](Ctx&, const Text& x, const Text& y) { return x + y; }, {}, left, right);
  const auto program = g.build(g.call<Text>("join", join, kModel, both)).value();
  const Calls calls(program.body());
  CHECK(calls.until(a, b) == 0);
  CHECK(calls.until(a, longer) == 1);
  CHECK(calls.until(a, join) == 2);
}

TEST_CASE("calls inside a loop or a map come again in the next pass, others don't") {
  const FunctionPtr before = model(), draft = model(), fix = model(), after = model();
  Graph g;
  const auto start = g.call<Text>("before", before, kModel, g.input<Text>("in"));
  const auto looped = g.loop(
      "refine", start,
      [&](Graph& inside, Out<Text> state) {
        return inside.call<Text>("fix", fix, kModel,
                                 inside.call<Text>("draft", draft, kModel, state));
      },
      3);
  const auto program = g.build(g.call<Text>("after", after, kModel, looped)).value();
  const Calls calls(program.body());
  CHECK(calls.until(before, draft) == 1);
  CHECK(calls.until(draft, fix) == 1);
  CHECK(calls.until(fix, draft) == 1);
  CHECK(calls.until(fix, fix) == 2);
  CHECK(calls.until(draft, after) == 2);
  CHECK(calls.until(fix, after) == 1);
  CHECK_FALSE(calls.until(after, fix));
  CHECK_FALSE(calls.until(fix, before));
}

}  // namespace
}  // namespace weft::planner
