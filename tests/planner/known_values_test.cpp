// What is known of a run before it: which values follow from its inputs, and forecasts that use it.

#include "planner/known_values.h"

#include <catch2/catch.hpp>

#include "planner/forecast.h"
#include "planner/graph.h"
#include "planner/nodes/text.h"
#include "planner/positions.h"

namespace weft::planner {
namespace {

using Int = std::int64_t;
using Text = std::string;

/// As a model's node: reads a token a byte after 4 that all prompts begin with, and answers later.
FunctionPtr reader() {
  auto made = std::make_shared<Function>();
  made->inputs = {type_of<Text>()};
  made->output = type_of<Text>();
  made->prompt = [](Arguments in) -> Result<std::vector<std::int32_t>> {
    std::vector<std::int32_t> tokens{-1, -2, -3, -4};
    for (const char c : in[0]->as<Text>()) tokens.push_back(c);
    return tokens;
  };
  made->start = [](std::shared_ptr<Call> call) { call->finish(make_value<Text>("yes")); };
  return made;
}

/// The lines of a text, each read by the model, and what it says read again.
Program<Text> lines_graph() {
  Graph g;
  const auto lines = g.node(
      "lines", [](Ctx&, const Text& text) { return split_lines(text); }, {}, g.input<Text>("text"));
  const Policy model{.lane = LaneKind::kModel,
                     .cost = {.prompt_tokens = 1000, .output_tokens = 50, .calls = 1}};
  const auto said = g.map_each("each", lines, [&](Graph& inside, Out<Text> line) {
    return inside.call<Text>("read", reader(), model, line);
  });
  const auto all = g.node(
      "all", [](Ctx&, const std::vector<Text>& texts) { return join(texts, "\n"); }, {}, said);
  return *g.build(g.call<Text>("last", reader(), model, all));
}

TEST_CASE("values are known as far as plain code makes them of what is given") {
  const auto program = lines_graph();
  const KnownValues known = find_known_values(program.body(), {true});
  const std::vector<Position> all = positions(program.body());
  REQUIRE(all.size() == 5);
  const auto is = [&](const char* path, bool inputs, bool output) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].path != path) continue;
      INFO(path);
      CHECK(known.inputs[i] == inputs);
      CHECK(known.output[i] == output);
    }
  };
  is("lines", true, true);
  is("each/read", true, false);  // what a model says isn't
  is("all", false, false);
  is("last", false, false);
  const KnownValues none = find_known_values(program.body(), {false});
  CHECK(std::ranges::count(none.output, true) == 0);
}

TEST_CASE(
    "a loop's state is known while its body makes it of what is known, a branch's by its side") {
  const auto counted = [](bool plain) {
    Graph g;
    const auto n = g.input<Int>("n");
    const Policy policy = plain ? Policy{} : Policy{.lane = LaneKind::kIo};
    const auto twice = g.loop(
        "twice", n,
        [&](Graph& inside, Out<Int> state) {
          return inside.node(
              "double", [](Ctx&, const Int& i) { return 2 * i; }, policy, state);
        },
        [](const Int& i) { return i > 100; }, 9);
    const auto program = g.build(twice);
    REQUIRE(program);
    return find_known_values(program->body(), {true}).output;
  };
  CHECK(counted(true)[0]);
  CHECK_FALSE(counted(false)[0]);
}

TEST_CASE("with inputs known, widths and prompts are those of the run, and calls of that size") {
  const auto program = lines_graph();
  StatsBook book;
  for (int i = 0; i < 100; ++i) {  // output as long as the prompt
    book.record({.function = "each/read", .path = "each/read", .model = "m"},
                {.seconds = 1, .prompt_tokens = i, .output_tokens = i, .calls = 1}, false);
    book.record({.function = "last", .path = "last", .model = "m"},
                {.seconds = 1, .prompt_tokens = 9, .output_tokens = 1, .calls = 1}, false);
  }
  const Inputs inputs = Inputs().set<Text>("text", "aaaaaa\naab\n" + Text(60, 'c'));
  const Machine machine{.model = "m"};
  const auto made =
      forecast(program, book, machine, {.samples = 50, .inputs = inputs, .runs_plain_code = true});
  REQUIRE(made);
  CHECK(made->unknown.empty());
  CHECK(made->calls.mean == 4);
  CHECK(made->calls.sd == 0);
  CHECK(made->prompt_tokens.mean == 10 + 7 + 64 + 9);
  CHECK(made->prompt_tokens.sd == 0);
  // Near 10, 7 and 64 of rising ones, 25 of which are near enough.
  CHECK(made->output_tokens.mean == Approx(12 + 12 + 64 + 1).margin(8));
  // Without, nothing is known of the text, and its lines are taken to be one.
  const auto blind = forecast(program, book, machine, {.samples = 50, .inputs = inputs});
  CHECK(blind->calls.mean == 2);
  CHECK(std::ranges::count(blind->unknown, "lines") == 1);
}

TEST_CASE("of prompts that begin alike, an engine reads the beginning once") {
  const auto program = lines_graph();
  StatsBook book;
  for (const char* path : {"each/read", "last"}) {
    book.record({.function = path, .path = path, .model = "m"}, {.prompt_tokens = 5, .calls = 1},
                false);
  }
  const Inputs inputs = Inputs().set<Text>("text", "aaaa\nabcd\nxyz");
  const Machine machine{.model = "m", .engine = EngineRates{.prefill_tokens_per_s = 10}};
  const auto made =
      forecast(program, book, machine, {.samples = 2, .inputs = inputs, .runs_plain_code = true});
  REQUIRE(made);
  // 8 tokens, 8 of which 5 are known, 7 of which 4 are; the last reads the 5 that were seen.
  CHECK(made->seconds.mean == Approx(0.1 * (8 + 3 + 3 + 5)));
  CHECK(made->prompt_tokens.mean == 8 + 8 + 7 + 5);
}

}  // namespace
}  // namespace weft::planner
