// Time travel: new runs of recorded ones, with an input, a value, a node's code or nothing changed.

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/lanes.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "planner/trace.h"
#include "tests/fakes/temp_dir.h"

namespace weft::planner {
namespace {

using Int = std::int64_t;
using Ints = std::vector<Int>;

/// How often each node was called.
struct Calls {
  std::atomic<int> each = 0, total = 0, step = 0, last = 0;
};

/// (1 2 3) -> each: squares -> total: their sum by a factor -> refine: three steps of + 1 -> last:
/// by 10. Of the factor 1, it gives 170.
Program<Int> program(Calls& calls, bool factor_first = false, int version = 1) {
  Graph g;
  const auto early = factor_first ? g.input<Int>("factor") : Out<Int>();
  const auto list = g.input<Ints>("list");
  const auto factor = factor_first ? early : g.input<Int>("factor");
  const auto each = g.map(
      "each",
      [&](Ctx&, const Int& x) {
        ++calls.each;
        return x * x;
      },
      {}, list);
  const auto total = g.node(
      "total",
      [&](Ctx&, const Ints& all, const Int& by) {
        ++calls.total;
        Int sum = 0;
        for (const Int x : all) sum += x;
        return sum * by;
      },
      {.version = version}, each, factor);
  const auto refined = g.loop(
      "refine", total,
      [&](Graph& inside, Out<Int> state) {
        return inside.node(
            "step",
            [&](Ctx&, const Int& x) {
              ++calls.step;
              return x + 1;
            },
            {}, state);
      },
      3);
  const auto last = g.node(
      "last",
      [&](Ctx&, const Int& x) {
        ++calls.last;
        return x * 10;
      },
      {}, refined);
  return *g.build(last);
}

struct Fixture {
  Fixture() {
    auto run = runtime.start(once, Inputs().set<Ints>("list", {1, 2, 3}).set<Int>("factor", 1),
                             {.trace = trace.get()});
    REQUIRE(run);
    id = run->id();
    REQUIRE(*run->wait() == 170);
    forget_calls();
  }
  void forget_calls() { calls.each = calls.total = calls.step = calls.last = 0; }

  /// A fork's value; what it called is in `calls`.
  Int fork(const Resumption& changes) {
    forget_calls();
    auto run = runtime.fork_any(once, id, changes, {.trace = trace.get()});
    INFO((run ? "" : run.error().message));
    REQUIRE(run);
    forked = run->id();
    const auto value = run->wait_value();
    INFO((value ? "" : value.error().message));
    REQUIRE(value);
    unused = run->report().unused;
    return value->as<Int>();
  }
  bool called(int each, int total, int step, int last) const {
    return calls.each == each && calls.total == total && calls.step == step && calls.last == last;
  }

  test::TempDir folder;
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
  std::unique_ptr<Trace> trace = *Trace::open(folder.path() / "trace.db", {});
  Calls calls;
  Program<Int> once = program(calls);
  std::string id;
  std::string forked;
  std::vector<std::string> unused;
};

TEST_CASE("a fork runs what follows from a change and takes over the rest") {
  Fixture f;
  CHECK(f.fork({}) == 170);
  CHECK(f.called(0, 0, 0, 0));
  CHECK(f.fork({.given = {{"each[1]", make_value<Int>(5)}}}) == 180);
  CHECK(f.called(0, 1, 3, 1));
  CHECK(f.fork({.given = {{"refine[1]/step", make_value<Int>(100)}}}) == 1010);
  CHECK(f.called(0, 0, 1, 1));
  CHECK(f.fork({.given = {{"factor", make_value<Int>(2)}}}) == 310);
  CHECK(f.called(0, 1, 3, 1));
  CHECK(f.unused.empty());
}

TEST_CASE("a fork may give the value of a control node, and that outlives the fork") {
  Fixture f;
  CHECK(f.fork({.given = {{"each", make_value<Ints>({1, 1})}}}) == 50);
  CHECK(f.called(0, 1, 3, 1));
  CHECK(f.fork({.given = {{"refine", make_value<Int>(7)}}}) == 70);
  CHECK(f.called(0, 0, 0, 1));
  const std::string fork = f.forked;
  auto replayed = f.runtime.replay_any(f.once, fork, {.trace = f.trace.get()});
  CHECK(replayed->wait_value()->as<Int>() == 70);
  auto again = f.runtime.fork_any(f.once, fork, {}, {.trace = f.trace.get()});
  CHECK(again->wait_value()->as<Int>() == 70);
  CHECK(f.called(0, 0, 0, 1));
  CHECK(f.trace->run(again->id())->parent == fork);
}

TEST_CASE("a fork runs nodes again that are named, and what follows if their values differ") {
  Fixture f;
  CHECK(f.fork({.redo = {"refine"}}) == 170);
  CHECK(f.called(0, 0, 3, 0));
  CHECK(f.fork({.redo = {"each[2]", "total"}}) == 170);
  CHECK(f.called(1, 1, 0, 0));
  CHECK(f.fork({.given = {{"each[9]", make_value<Int>(5)}}, .redo = {"tot"}}) == 170);
  CHECK(f.unused == std::vector<std::string>{"each[9]", "tot"});
}

TEST_CASE("a fork's notes are its own, and what can't be made leaves no run behind") {
  Fixture f;
  auto run =
      f.runtime.fork_any(f.once, f.id, {}, {.trace = f.trace.get(), .notes = {{"file", "text"}}});
  REQUIRE(run);
  CHECK(run->wait_value());
  CHECK(f.trace->note(run->id(), "file")->value() == "text");
  const std::size_t before = f.trace->runs()->size();
  const auto wrong = f.runtime.fork_any(
      f.once, f.id, {.given = {{"factor", make_value<bool>(true)}}}, {.trace = f.trace.get()});
  CHECK(wrong.error().message == "the value given for the input factor is of type bool, not int");
  CHECK(f.trace->runs()->size() == before);
}

TEST_CASE("a fork under another program finds its inputs by their names") {
  Fixture f;
  const auto other = program(f.calls, /*factor_first=*/true, /*version=*/2);
  auto run = f.runtime.fork_any(other, f.id, {}, {.trace = f.trace.get()});
  REQUIRE(run);
  CHECK(run->wait_value()->as<Int>() == 170);
  CHECK(f.called(0, 1, 0, 0));  // its value is the same, so nothing follows
  Graph g;
  const auto wider = g.build(g.node(
      "last", [](Ctx&, const Int& x) { return x; }, {}, g.input<Int>("offset")));
  CHECK(f.runtime.fork_any(*wider, f.id, {}, {.trace = f.trace.get()}).error().message ==
        "run " + f.id + " has no input offset, which this program needs: give its value");
  auto given = f.runtime.fork_any(*wider, f.id, {.given = {{"offset", make_value<Int>(3)}}},
                                  {.trace = f.trace.get()});
  CHECK(given->wait_value()->as<Int>() == 3);
}

TEST_CASE("the types of a recorded run's values are known by path") {
  Fixture f;
  const auto types =
      f.runtime.recorded_types(f.once, f.id, {"each[1]", "refine", "no", "last"}, *f.trace);
  REQUIRE(types);
  CHECK(types->size() == 3);
  CHECK(types->at("each[1]") == type_of<Int>());
  CHECK(types->at("refine") == type_of<Int>());
}

}  // namespace
}  // namespace weft::planner
