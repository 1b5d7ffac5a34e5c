#include "planner/patterns/parts.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "planner/nodes/vote.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

/// Runs what `build` makes of a text with scripted models, on a virtual clock.
template <typename Build>
auto run(const Text& text, Build build) {
  Graph g;
  const auto result = build(g, g.input<Text>("text"));
  const auto program = g.build(result);
  INFO((program ? "" : program.error().message));
  REQUIRE(program);
  VirtualExecutor executor({1, 1, 1});
  return Runtime(executor).run(*program, Inputs().set("text", text));
}

auto scripted(Text (*reply)(const Text&)) {
  return [reply](Graph& g, Out<Text> part) {
    return g.node(
        "model", [reply](Ctx&, const Text& text) { return reply(text); }, {}, part);
  };
}

TEST_CASE("counting adds up what disjoint parts hold") {
  const auto digits = [](Graph& g, Out<Text> part) {
    return g.node(
        "digits",
        [](Ctx&, const Text& text) {
          return static_cast<double>(
              std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }));
        },
        {}, part);
  };
  CHECK(run("1a2b3c4d5e6f7g8h9i0", [&](Graph& g, Out<Text> text) {
          return counting(g, "all", text, {.bytes_max = 5}, digits);
        }).value() == 10);
}

TEST_CASE("sorting brings each part into order before it merges, whatever the model did") {
  // Lines stay as they are: no part is in order.
  const auto lazy = scripted([](const Text& text) { return "Here: " + text; });
  CHECK(run("9\n-2\n7.5\n1\n8\n3\n", [&](Graph& g, Out<Text> text) {
          return sorting(g, "all", text, 4, lazy);
        }).value() == std::vector<double>{-2, 1, 3, 7.5, 8, 9});
}

TEST_CASE("a needle of half a window is whole in one, and those that know it vote") {
  const auto find = scripted([](const Text& window) -> Text {
    const auto at = window.find("key=");
    if (at != Text::npos && at + 8 <= window.size()) return window.substr(at + 4, 4);
    return "Unknown.";
  });
  for (std::size_t at = 0; at < 60; ++at) {
    const Text text = Text(at, '-') + "key=1234" + Text(60 - at, '-');
    INFO(at);
    CHECK(run(text, [&](Graph& g, Out<Text> in) {
            return needle(g, "found", in, 20, find, vote_function({}));
          }).value() == "1234");
  }
  CHECK(run("nothing",
            [&](Graph& g, Out<Text> in) {
              return needle(g, "found", in, 20, find, vote_function({}));
            })
            .error()
            .code == ErrorCode::kNotFound);
}

TEST_CASE("facts of all windows reach one answer") {
  const auto read = scripted([](const Text& window) -> Text {
    const auto at = window.find('F');
    return at == Text::npos || at + 1 == window.size() ? "unknown" : window.substr(at, 2);
  });
  const auto made = run("....F1...........F2..........F3....", [&](Graph& g, Out<Text> text) {
    return facts(g, "all", text, 8, read,
                 scripted([](const Text& notes) { return "<" + notes + ">"; }));
  });
  REQUIRE(made);
  for (const char* fact : {"F1", "F2", "F3"}) CHECK(made->find(fact) != Text::npos);
  CHECK(made->find("unknown") == Text::npos);
}

TEST_CASE("map-reduce notes parts and merges the notes level by level") {
  CHECK(run("abcdefghijkl", [](Graph& g, Out<Text> text) {
          return map_reduce(g, "all", text, {.bytes_max = 4}, {.fan_in = 2, .separator = ""},
                            scripted([](const Text& part) { return part.substr(0, 1); }),
                            scripted([](const Text& group) { return "(" + group + ")"; }));
        }).value() == "((ae)(i))");
}

}  // namespace
}  // namespace weft::planner
