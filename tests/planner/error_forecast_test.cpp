// Error tags: what they add up to along a graph, and how they stand in its file.

#include "planner/error_forecast.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "planner/graph.h"

namespace weft::planner {
namespace {

using Int = std::int64_t;

Int same(Ctx&, const Int& n) { return n; }
Int total(Ctx&, const std::vector<Int>& all) { return static_cast<Int>(all.size()); }
Policy tagged(const ErrorTag& tag) { return {.error = tag}; }

/// A node an element of the input, then one on all of their results.
AnyProgram map_then(const ErrorTag& element, const ErrorTag& end) {
  Graph g;
  const auto parts = g.map("part", same, tagged(element), g.input<std::vector<Int>>("list"));
  return *g.build(g.node("end", total, tagged(end), parts));
}

ErrorForecast of_width(const AnyProgram& program, Int width) {
  const auto made = forecast_error(program, {}, {.counts = {{"part", width}}});
  REQUIRE(made);
  CHECK(made->assumed.empty());
  return *made;
}

TEST_CASE("counting: a sum of 64 parts, unbiased and biased") {
  const auto noisy =
      of_width(map_then(ErrorTag::additive(0, 1).as_independent(), ErrorTag::exact()), 64);
  CHECK(*noisy.size == Approx(6.383).epsilon(0.001));
  CHECK(noisy.size_bound == Approx(51.06).epsilon(0.001));  // 64 sqrt(2 / pi)
  const auto biased =
      of_width(map_then(ErrorTag::additive(0.5, 0).as_independent(), ErrorTag::exact()), 64);
  CHECK(*biased.size == Approx(32));
  // Both: E|x| of a normal around 32 with sd 8 is 32 and a little.
  const auto both =
      of_width(map_then(ErrorTag::additive(0.5, 1).as_independent(), ErrorTag::exact()), 64);
  CHECK(*both.size == Approx(32).margin(0.01));
  CHECK(*both.size > 32);
}

TEST_CASE("without independence there is a bound alone") {
  const auto parts = of_width(map_then(ErrorTag::fail(0.01), {}), 11);
  CHECK(parts.wrong_bound == Approx(0.11));
  CHECK_FALSE(parts.wrong);
  const auto independent = of_width(map_then(ErrorTag::fail(0.01).as_independent(), {}), 11);
  CHECK(*independent.wrong == Approx(1 - std::pow(0.99, 11)));
  CHECK(independent.wrong_bound == Approx(0.11));
}

TEST_CASE("votes: the majority of 3, and the first to lead by 3") {
  const ErrorTag voter = ErrorTag::fail(0.2).as_independent();
  CHECK(*of_width(map_then(voter, ErrorTag::vote().as_independent()), 3).wrong ==
        Approx(0.104));  // 1 - 0.896
  const auto lead = of_width(map_then(voter, ErrorTag::lead_by(3).as_independent()), 9);
  CHECK(1 - *lead.wrong == Approx(0.9846).margin(5e-5));
  CHECK(lead.wrong_bound == 1);
  CHECK(of_width(map_then(voter, ErrorTag::vote()), 3).wrong_bound == Approx(0.4));
  Graph g;
  const auto alone = g.node("alone", same, tagged(ErrorTag::vote()), g.input<Int>("n"));
  const auto refused = forecast_error(*g.build(alone));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("node alone") == 0);
}

TEST_CASE("what all voters share isn't outvoted") {
  Graph g;
  const auto list = g.node(
      "split",
      [](Ctx&, const Int& n) {
        return std::vector<Int>{n, n, n};
      },
      tagged(ErrorTag::fail(0.1).as_independent()), g.input<Int>("n"));
  const auto votes = g.map("part", same, tagged(ErrorTag::fail(0.2).as_independent()), list);
  const auto most = g.node("most", total, tagged(ErrorTag::vote().as_independent()), votes);
  CHECK(*of_width(*g.build(most), 3).wrong == Approx(1 - 0.9 * 0.896));
}

TEST_CASE("what a vote reads beside its list is needed as ever") {
  Graph g;
  const auto question =
      g.node("question", same, tagged(ErrorTag::fail(0.1).as_independent()), g.input<Int>("n"));
  const auto votes = g.map("part", same, tagged(ErrorTag::fail(0.2).as_independent()),
                           g.input<std::vector<Int>>("list"));
  const auto most = g.node(
      "most", [](Ctx&, const std::vector<Int>&, const Int& n) { return n; },
      tagged(ErrorTag::vote().as_independent()), votes, question);
  CHECK(*of_width(*g.build(most), 3).wrong == Approx(1 - 0.9 * 0.896));
}

TEST_CASE("retrieval: six facts, each in two windows") {
  const ErrorTag pick{
      .kind = ErrorTag::Kind::kRetrieve, .recall = 0.9, .with_needle = 2, .independent = true};
  Graph g;
  const auto facts =
      g.map_each("fact", g.input<std::vector<std::vector<Int>>>("windows"),
                 [&](Graph& in, Out<std::vector<Int>> windows) {
                   return in.node("pick", total, tagged(pick), in.map("read", same, {}, windows));
                 });
  const auto answer = g.node("answer", total, tagged(ErrorTag::fail(0).as_independent()), facts);
  const auto made =
      forecast_error(*g.build(answer), {}, {.counts = {{"fact", 6}, {"fact/read", 2}}});
  CHECK(*made->wrong == Approx(0.0585).margin(5e-5));

  const ErrorTag needle{
      .kind = ErrorTag::Kind::kRetrieve, .recall = 1, .false_alarm = 1, .independent = true};
  CHECK(*of_width(map_then({}, needle), 3).wrong == Approx(2.0 / 3));
}

/// A binary tree of nodes, 3 levels over the root.
Out<Int> tree(Graph& g, const ErrorTag& tag, int depth, Out<Int> in, const std::string& name) {
  if (depth == 0) return g.node(name, same, tagged(tag), in);
  const std::vector<Out<Int>> below{tree(g, tag, depth - 1, in, name + "l"),
                                    tree(g, tag, depth - 1, in, name + "r")};
  return g.gather(name, total, tagged(tag), below);
}

ErrorForecast of_tree(const ErrorTag& tag) {
  Graph g;
  return *forecast_error(*g.build(tree(g, tag, 3, g.input<Int>("n"), "t")));
}

TEST_CASE("trees: b = 2, depth 3, own error 0.01") {
  const ErrorTag custom{.kind = ErrorTag::Kind::kCustom, .mean = 0.01};
  CHECK(of_tree(custom).size_bound == Approx(0.15));
  const ErrorTag halving{.kind = ErrorTag::Kind::kCustom, .mean = 0.01, .sensitivity = 0.5};
  CHECK(of_tree(halving).size_bound == Approx(0.04));
  CHECK(of_tree(ErrorTag::max(0.01)).size_bound == Approx(0.04));  // (d + 1) eps
  const auto wrong = of_tree(ErrorTag::fail(0.01).as_independent());
  CHECK(*wrong.wrong == Approx(0.1399).margin(1e-4));
  CHECK(wrong.wrong_bound == Approx(0.15));
}

TEST_CASE("a node that two ways lead to is wrong once") {
  Graph g;
  const ErrorTag tag = ErrorTag::fail(0.1).as_independent();
  const auto first = g.node("first", same, tagged(tag), g.input<Int>("n"));
  const auto left = g.node("left", same, {}, first);
  const auto right = g.node("right", same, {}, first);
  const auto both = g.node(
      "both", [](Ctx&, const Int& a, const Int& b) { return a + b; }, {}, left, right);
  const auto made = forecast_error(*g.build(both));
  CHECK(*made->wrong == Approx(0.1));
  CHECK(made->wrong_bound == Approx(0.1));
}

TEST_CASE("loops repeat, branches mix; what isn't known is said") {
  Graph g;
  const ErrorTag tag = ErrorTag::fail(0.1).as_independent();
  const auto in = g.input<Int>("n");
  const auto state = g.loop(
      "refine", in,
      [&](Graph& inside, Out<Int> s) { return inside.node("fix", same, tagged(tag), s); }, 20);
  const auto sure = g.node(
      "sure", [](Ctx&, const Int& n) { return n > 0; }, {}, g.input<Int>("m"));
  const auto made = g.branch(
      "side", sure, [&](Graph& yes) { return yes.node("check", same, tagged(tag), state); },
      [&](Graph&) { return state; });
  const AnyProgram program = *g.build(made);
  const auto known =
      forecast_error(program, {}, {.counts = {{"refine", 3}}, .yes = {{"side", 0.25}}});
  CHECK(*known->wrong == Approx(1 - std::pow(0.9, 3) * (1 - 0.25 * 0.1)));
  CHECK(known->wrong_bound == Approx(0.4));
  const auto guessed = forecast_error(program);
  CHECK(guessed->assumed == std::vector<std::string>{"refine", "side"});
  CHECK(guessed->wrong_bound == 1);
  CHECK_FALSE(forecast_error(program, {}, {.counts = {{"refine", 2000}}}));
  StatsBook book;
  book.control("refine").counts.add(3);
  book.control("side").yes = 1;
  book.control("side").no = 3;
  CHECK(*forecast_error(program, book)->wrong == Approx(*known->wrong));
}

TEST_CASE("a program's file keeps error tags; its hash changes with one alone") {
  const AnyProgram plain = map_then({}, {});
  const ErrorTag full{.kind = ErrorTag::Kind::kRetrieve,
                      .chance = 0.1,
                      .mean = -2,
                      .sd = 3,
                      .sensitivity = 0.5,
                      .lead = 3,
                      .recall = 0.9,
                      .false_alarm = 0.05,
                      .with_needle = 2,
                      .overlap = 0.5,
                      .independent = true};
  CHECK(*error_tag_from_json(error_tag_json(full)) == full);
  const AnyProgram program = map_then(ErrorTag::fail(0.1), full);
  CHECK(program.hash() != plain.hash());
  CHECK(plain.json().find("error") == std::string::npos);
  const auto read = AnyProgram::from_json(program.json(), program.functions());
  REQUIRE(read);
  CHECK(read->json() == program.json());
  CHECK(read->body().nodes.back().policy.error == full);
  for (const char* bad : {R"([])", R"({"kind": "odd"})", R"({"kind": 1})", R"({"chance": 1.5})",
                          R"({"sd": -1})", R"({"lead": -1})", R"({"with_needle": 0})",
                          R"({"independent": 1})", R"({"odds": 1})", R"({"mean": "1"})"}) {
    INFO(bad);
    CHECK_FALSE(error_tag_from_json(nlohmann::json::parse(bad)));
  }
}

TEST_CASE("judged answers make a tag") {
  CHECK(fail_tag({.with_answer = 20, .right = 15}).chance == Approx(0.25));
  CHECK(fail_tag({}).kind == ErrorTag::Kind::kNone);
}

}  // namespace
}  // namespace weft::planner
