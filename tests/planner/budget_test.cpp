// A16: budgets hold, whatever runs at once.

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/lanes.h"
#include "base/random.h"
#include "planner/graph.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;

TEST_CASE("A16: 64 threads reserve, settle, refund and cancel a million times within every limit") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kOperations = 1'000;
#else
  constexpr int kOperations = 1'000'000 / 64;
#endif
  constexpr Int kRoot = 1'000;
  constexpr Int kLeaf = 40;
  constexpr std::size_t kThreads = 64;
  const SystemClock clock;
  Scope root(clock, {.limit = {.output_tokens = kRoot}});
  std::deque<Scope> groups;
  std::deque<Scope> leaves;
  for (std::size_t i = 0; i < 8; ++i) {
    groups.emplace_back(root, Scope::Options{.limit = {.output_tokens = 4 * kLeaf}});
  }
  for (std::size_t i = 0; i < kThreads; ++i) {
    leaves.emplace_back(groups[i % 8], Scope::Options{.limit = {.output_tokens = kLeaf}});
  }
  std::atomic<int> violations{0};
  std::atomic<Int> settled{0};
  const auto look = [&](const Scope& scope, Int limit) {
    if (scope.used().output_tokens > limit) ++violations;
  };
  const auto work = [&](std::size_t t) {
    Random random(16, t);
    for (int i = 0; i < kOperations; ++i) {
      // 0 is as good as anything else; now and then a leaf is cancelled and reserves no more.
      auto reserved = leaves[t].reserve({.output_tokens = static_cast<Int>(random.below(8))});
      look(root, kRoot);
      look(groups[t % 8], 4 * kLeaf);
      look(leaves[t], kLeaf);
      if (!reserved) continue;
      const Int amount = reserved->amount().output_tokens;
      const Int actual =
          static_cast<Int>(random.below(64)) == 0
              ? static_cast<Int>(random.below(static_cast<std::uint64_t>(amount) + 1))
              : 0;
      if (random.chance(0.5)) {
        if (!reserved->settle({.output_tokens = actual})) ++violations;
        settled += actual;
      } else {
        reserved->refund();
      }
      if (random.chance(0.5 / kOperations)) leaves[t].request_stop();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  Int sum = 0;
  for (const Scope& leaf : leaves) sum += leaf.spent().output_tokens;
  std::cout << "A16: " << root.spent().output_tokens << " of " << kRoot << " spent, " << violations
            << " violations\n";
  CHECK(violations == 0);
  CHECK(sum == root.spent().output_tokens);
  CHECK(sum == settled);
  CHECK(sum > 0);
  CHECK(root.reserved() == Spend{});
}

/// A call a list's element, each of which may cost a call and some tokens.
Result<Program<Partial<Int>>> calls(Graph& g, std::atomic<int>& made, Int reported_tokens,
                                    Spend cost) {
  return g.build(g.collect(
      "call",
      [&made, reported_tokens](Ctx& ctx, const Int& n) -> Result<Int> {
        ++made;
        WEFT_TRY_VOID(ctx.sleep_for(1us));
        if (reported_tokens > 0) ctx.spend({.output_tokens = reported_tokens, .calls = 1});
        return n;
      },
      {.lane = LaneKind::kIo, .cost = cost}, g.input<std::vector<Int>>("list")));
}

std::vector<Int> numbers(Int count) {
  std::vector<Int> list(static_cast<std::size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

TEST_CASE(
    "A16: a map of 1,000 with a budget for 100 calls gives 100 values and says why not more") {
  Graph g;
  std::atomic<int> made{0};
  const auto program = calls(g, made, 0, {.calls = 1});
  REQUIRE(program);
  const Inputs inputs = Inputs().set("list", numbers(1000));
  const auto check = [&](const Result<Partial<Int>>& partial) {
    REQUIRE(partial);
    CHECK(made == 100);
    CHECK(partial->values.size() == 100);
    REQUIRE(partial->missing.size() == 900);
    CHECK(std::ranges::all_of(partial->missing, [](const Missing& missing) {
      return missing.code == ErrorCode::kResourceExhausted;
    }));
    CHECK(partial->missing[0].message.find("the budget has no room for 1 more calls: 100 of 100") !=
          std::string::npos);
    made = 0;
  };
  VirtualExecutor executor;
  check(Runtime(executor).run(*program, inputs, {.limit = {.calls = 100}}));
  SystemTimers timers;
  Lanes lanes({.cpu_threads = 2, .io_threads = 8});
  ThreadExecutor threads(lanes, timers);
  check(Runtime(threads).run(*program, inputs, {.limit = {.calls = 100}}));
}

TEST_CASE("what is set aside and not used comes back to those that wait for it") {
  // Each sets 50 tokens aside and uses 10: at most 2 at once, but all 10 fit in 100.
  Graph g;
  std::atomic<int> made{0};
  const auto program = calls(g, made, 10, {.output_tokens = 50});
  REQUIRE(program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  auto run =
      runtime.start(*program, Inputs().set("list", numbers(10)), {.limit = {.output_tokens = 100}});
  REQUIRE(run);
  const auto partial = run->wait();
  REQUIRE(partial);
  // After six, 60 are spent and only 40 could be set aside for a seventh.
  CHECK(partial->values.size() == 6);
  CHECK(partial->missing.size() == 4);
  CHECK(run->report().spent == Spend{.output_tokens = 60, .calls = 6});
  CHECK(run->report().duration == 5us);  // two at first, then one after the other
}

TEST_CASE("on the virtual clock, no budget is exceeded at any event of any of 300 random runs") {
  int with_misses = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed, 99);
    const Int limit = static_cast<Int>(random.below(200));
    const Int inner_limit = static_cast<Int>(random.below(200));
    const Int cost = 1 + static_cast<Int>(random.below(20));
    Graph g;
    const auto list = g.input<std::vector<Int>>("list");
    const auto body = [&](Graph& inside) {
      return inside.collect(
          "call",
          [cost](Ctx& ctx, const Int& n) -> Result<Int> {
            WEFT_TRY_VOID(ctx.sleep_for(std::chrono::microseconds(1 + ctx.random().below(20))));
            ctx.spend({.output_tokens = static_cast<Int>(
                           ctx.random().below(static_cast<std::uint64_t>(cost) + 1))});
            if (ctx.random().chance(0.2)) return Error{ErrorCode::kNetwork, "no answer"};
            return n;
          },
          {.attempts = 2,
           .backoff = 3us,
           .timeout = 18us,
           .lane = LaneKind::kIo,
           .cost = {.output_tokens = cost}},
          list);
    };
    const auto left = g.scope("left", {.output_tokens = inner_limit}, body);
    const auto right = g.scope("right", {}, body);
    const auto program = g.build(g.node(
        "join",
        [](Ctx&, const Partial<Int>& a, const Partial<Int>& b) {
          return static_cast<Int>(a.values.size() + b.values.size());
        },
        {}, left, right));
    REQUIRE(program);
    VirtualExecutor executor({1, 1 + random.below(16), 1});
    Scope around(executor.clock(), {.limit = {.output_tokens = limit}});
    Int total = 0;
    Int left_total = 0;
    bool missed = false;
    const RunOptions options{
        .parent = &around, .seed = seed, .on_event = [&](const Event& event) {
          total += event.spent.output_tokens;
          if (event.path.starts_with("left")) left_total += event.spent.output_tokens;
          missed = missed ||
                   (event.error != nullptr && event.error->code == ErrorCode::kResourceExhausted);
          REQUIRE(around.used().output_tokens <= limit);
          REQUIRE(left_total <= inner_limit);
        }};
    REQUIRE(Runtime(executor).run(*program, Inputs().set("list", numbers(20)), options));
    CHECK(around.spent().output_tokens == total);  // the leaves add up to the root
    CHECK(around.overrun() == Spend{});
    CHECK(around.reserved() == Spend{});
    if (missed) ++with_misses;
  }
  CHECK(with_misses > 100);
  CHECK(with_misses < 300);
}

TEST_CASE("a budget that a node alone exceeds is refused before anything runs") {
  const auto add_one = [](Ctx&, const Int& n) { return n + 1; };
  Graph g;
  const auto program = g.build(g.loop(
      "l", g.input<Int>("n"),
      [&](Graph& in, Out<Int> state) {
        return in.node("call", add_one, {.cost = {.output_tokens = 50, .calls = 1}}, state);
      },
      3));
  REQUIRE(program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  const Inputs inputs = Inputs().set<Int>("n", 0);
  const auto refused = runtime.start(*program, inputs, {.limit = {.output_tokens = 49}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message ==
        "in l: node call: it sets aside 50 output tokens, but the whole budget is 49: raise the "
        "limit, "
        "or lower the node's cost");
  // Where it may fit, running tells.
  CHECK(runtime.run(*program, inputs, {.limit = {.output_tokens = 149}}).error().message ==
        "node l[2]/call: the budget has no room for 50 more output tokens: 100 of 149 are used or "
        "reserved");
  CHECK(runtime.run(*program, inputs, {.limit = {.output_tokens = 150, .calls = 3}}).value() == 3);
  Graph inner;
  const auto in = inner.input<Int>("n");
  CHECK(inner
            .build(inner.scope("s", {.calls = 0},
                               [&](Graph& inside) {
                                 return inside.node("call", add_one, {.cost = {.calls = 1}}, in);
                               }))
            .error()
            .message.find("in s: node call: it sets aside 1 calls") == 0);
}

TEST_CASE("a node that used more than its policy set aside fails where no limit has room") {
  Graph g;
  const auto program = g.build(g.node(
      "greedy",
      [](Ctx& ctx, const Int& n) {
        ctx.spend({.output_tokens = 9});
        return n;
      },
      {.cost = {.output_tokens = 5}}, g.input<Int>("n")));
  VirtualExecutor executor;
  Runtime runtime(executor);
  const Inputs inputs = Inputs().set<Int>("n", 1);
  CHECK(runtime.run(*program, inputs, {.limit = {.output_tokens = 9}}));
  auto run = runtime.start(*program, inputs, {.limit = {.output_tokens = 8}});
  REQUIRE(run);
  const auto value = run->wait();
  CHECK(value.error().message.find("node greedy: more was used than reserved") == 0);
  CHECK(run->report().spent.output_tokens == 5);
  CHECK(run->report().overrun.output_tokens == 4);
}

}  // namespace
}  // namespace weft::planner
