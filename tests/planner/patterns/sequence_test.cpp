#include "planner/patterns/sequence.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

TEST_CASE("each hop's question holds the answers before it") {
  Graph g;
  const auto last =
      multi_hop(g, "last", g.input<Texts>("questions"), [](Graph& inside, Out<Text> question) {
        return inside.node(
            "model", [](Ctx&, const Text& text) { return "[" + text + "]"; }, {}, question);
      });
  const auto program = g.build(last);
  REQUIRE(program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  const auto asked = [&](const Texts& questions) {
    const auto made = runtime.run(*program, Inputs().set("questions", questions));
    return made ? *made : made.error().message;
  };
  CHECK(asked({"who", "where is #1?", "#2 or #1"}) == "[[where is [who]?] or [who]]");
  CHECK(asked({"# is no place"}) == "[# is no place]");
  CHECK(asked({"a", "#2"}).ends_with("question 2 needs #2, which is no earlier answer"));
  Texts eleven(10, "x");
  eleven.push_back("#10#1");
  CHECK(asked(eleven) == "[[x][x]]");
}

TEST_CASE("A9: the first to lead by 3 is right as often, and after as many samples, as predicted") {
  constexpr double kRight = 0.8;
  Graph g;
  const auto won = first_to_lead(g, "won", {.lead = 3, .samples_max = 200}, [](Graph& inside) {
    return inside.node(
        "sample", [](Ctx& ctx) { return Text(ctx.random().chance(kRight) ? "yes" : "no"); }, {});
  });
  const auto program = g.build(won);
  REQUIRE(program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  constexpr int kRuns = 4000;
  int right = 0;
  int samples = 0;
  for (int seed = 0; seed < kRuns; ++seed) {
    RunOptions options{.seed = static_cast<std::uint64_t>(seed)};
    options.on_event = [&](const Event& event) {
      samples += event.kind == Event::Kind::kDone && event.path.ends_with("/sample") ? 1 : 0;
    };
    right += runtime.run(*program, {}, options).value() == "yes" ? 1 : 0;
  }
  // P = 1/(1+((1-p)/p)^3) = .9846, calls = 3 (2P-1)/(2p-1) = 4.85; the margins are five sigma.
  CHECK(std::abs(double(right) / kRuns - 0.9846) < 0.01);
  CHECK(std::abs(double(samples) / kRuns - 4.85) < 0.2);
}

TEST_CASE("sampling that never decides ends at its bound with the one that leads") {
  Graph g;
  const auto won = first_to_lead(g, "won", {.lead = 3, .samples_max = 5}, [](Graph& inside) {
    return inside.node("sample", [](Ctx& ctx) { return ctx.path(); }, {});
  });
  const auto program = g.build(won);
  REQUIRE(program);
  VirtualExecutor executor;
  int bounds = 0;
  RunOptions options;
  options.on_event = [&](const Event& event) {
    bounds += event.kind == Event::Kind::kBoundReached ? 1 : 0;
  };
  CHECK(Runtime(executor).run(*program, {}, options).value() == "won samples[0]/sample");
  CHECK(bounds == 1);
}

}  // namespace
}  // namespace weft::planner
