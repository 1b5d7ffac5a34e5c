#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "base/lanes.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "planner/trace.h"
#include "tests/fakes/temp_dir.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;
using Ints = std::vector<Int>;

/// Waits so many milliseconds for each number, all within a scope of 50 ms for each.
Program<Partial<Int>> waits() {
  Graph g;
  return *g.build(g.collect_each("each", g.input<Ints>("ms"), [](Graph& element, Out<Int> ms) {
    return element.scope(
        "limited", {},
        [&](Graph& inside) {
          return inside.node(
              "wait",
              [](Ctx& ctx, const Int& time) -> Result<Int> {
                WEFT_TRY_VOID(ctx.sleep_for(std::chrono::milliseconds(time)));
                return time;
              },
              {}, ms);
        },
        50ms);
  }));
}

TEST_CASE("a scope whose time is up ends, and nothing else does") {
  VirtualExecutor executor({8, 8, 8});
  Runtime runtime(executor);
  auto run = runtime.start(waits(), Inputs().set<Ints>("ms", {1, 3'600'000, 49}), {});
  REQUIRE(run);
  const auto value = run->wait();
  REQUIRE(value);
  CHECK(value->values == Ints{1, 49});
  REQUIRE(value->missing.size() == 1);
  CHECK(value->missing[0].index == 1);
  CHECK(value->missing[0].code == ErrorCode::kDeadlineExceeded);
  CHECK(run->report().duration == 50ms);
}

TEST_CASE("a scope that ran out of time does so again in a replay") {
  test::TempDir folder;
  SystemTimers timers;
  Lanes lanes{Lanes::Options{.cpu_threads = 2}};
  ThreadExecutor executor(lanes, timers);
  Runtime runtime(executor);
  const auto program = waits();
  const auto trace = *Trace::open(folder.path() / "trace.db", {});
  auto run =
      runtime.start(program, Inputs().set<Ints>("ms", {3'600'000, 0}), {.trace = trace.get()});
  REQUIRE(run);
  const auto value = run->wait();
  REQUIRE(value);
  CHECK(value->missing.at(0).message.find("each[0]/limited") != std::string::npos);
  auto replayed = runtime.replay_any(program, run->id(), {.trace = trace.get()});
  REQUIRE(replayed);
  const auto again = replayed->wait_value();
  INFO((again ? "" : again.error().message));
  REQUIRE(again);
  CHECK(again->as<Partial<Int>>() == *value);
}

TEST_CASE("a scope's time is a part of its program") {
  const auto program = waits();
  const auto read = AnyProgram::from_json(program.json(), program.functions(), {}, program.types());
  REQUIRE(read);
  CHECK(read->hash() == program.hash());
  CHECK(program.json().find("\"wall_time_ns\":50000000") != std::string::npos);
}

}  // namespace
}  // namespace weft::planner
