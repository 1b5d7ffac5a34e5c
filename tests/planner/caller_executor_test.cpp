// Runs that have no thread but their caller's.

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "planner/graph.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;

/// Counts up, and says on which thread.
struct Seen {
  std::vector<std::thread::id> threads;

  auto node() {
    return [this](Ctx&, const Int& before) {
      threads.push_back(std::this_thread::get_id());
      return before + 1;
    };
  }
};

TEST_CASE("nodes of all lanes run on the thread that waits, and so do their events") {
  Seen seen;
  Graph g;
  const auto a = g.node("a", seen.node(), {.lane = LaneKind::kIo}, g.input<Int>("n"));
  const auto b = g.node("b", seen.node(), {}, a);
  const auto many = g.map(
      "each", [](Ctx&, const Int& n) { return n; }, {.lane = LaneKind::kIo},
      g.node(
          "list", [](Ctx&, const Int& n) { return std::vector<Int>(300, n); }, {}, b));
  const auto c = g.node(
      "c", seen.node(), {.lane = LaneKind::kModel},
      g.node(
          "size", [](Ctx&, const std::vector<Int>& list) { return static_cast<Int>(list.size()); },
          {}, many));
  const auto program = g.build(c);
  REQUIRE(program);
  CallerExecutor executor;
  Runtime runtime(executor);
  for (const bool works_along : {false, true}) {
    const RunOptions options{
        .on_event = [&](const Event&) { seen.threads.push_back(std::this_thread::get_id()); }};
    const Inputs inputs = Inputs().set("n", Int{1});
    const auto value = works_along ? runtime.run(*program, inputs, options)
                                   : runtime.start(*program, inputs, options)->wait();
    REQUIRE(value);
    CHECK(*value == 301);
  }
  const auto mine = std::this_thread::get_id();
  CHECK(seen.threads.size() > 1200);
  CHECK(std::ranges::all_of(seen.threads, [&](const auto& id) { return id == mine; }));
}

TEST_CASE("what ends on another thread wakes the one that waits") {
  Seen seen;
  std::thread other;
  Graph g;
  const auto later = g.async<Int>(
      "later",
      [&](const Done<Int>& done, const Int& n) {
        other = std::thread([done, n] {
          std::this_thread::sleep_for(5ms);
          done(n);
        });
      },
      {.lane = LaneKind::kIo}, g.input<Int>("n"));
  const auto program = g.build(g.node("next", seen.node(), {}, later));
  REQUIRE(program);
  CallerExecutor executor;
  Runtime runtime(executor);
  auto run = runtime.start(*program, Inputs().set("n", Int{7}));
  REQUIRE(run);
  CHECK(run->wait().value() == 8);
  other.join();
  CHECK(seen.threads == std::vector{std::this_thread::get_id()});
}

TEST_CASE("retries and deadlines need no thread of the lanes") {
  int attempts = 0;
  Graph g;
  const auto program = g.build(g.node(
      "flaky",
      [&attempts](Ctx& ctx, const Int& n) -> Result<Int> {
        if (++attempts < 3) return Error{ErrorCode::kNetwork, "once more"};
        if (n < 0) WEFT_TRY_VOID(ctx.sleep_for(10min));
        return n;
      },
      {.attempts = 3, .backoff = 1ms}, g.input<Int>("n")));
  REQUIRE(program);
  CallerExecutor executor;
  Runtime runtime(executor);
  CHECK(runtime.start(*program, Inputs().set("n", Int{5}), {})->wait().value() == 5);
  CHECK(attempts == 3);
  const auto late = runtime.start(*program, Inputs().set("n", Int{-1}), {.timeout = 20ms})->wait();
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace weft::planner
