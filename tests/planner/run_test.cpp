// How runs go and end: errors, retries, time, stops, loops; A13, A17 to A19.

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>
#include <mutex>
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
using Kind = Event::Kind;

/// What an observer saw.
struct Log {
  std::vector<std::string> lines;
  std::vector<std::chrono::nanoseconds> starts;
  SteadyTime begin;

  std::function<void(const Event&)> observer() {
    return [this](const Event& event) {
      static constexpr std::array kNames = {"started", "done", "retried", "failed", "bound"};
      std::string line =
          std::string(kNames[static_cast<std::size_t>(event.kind)]) + " " + event.path;
      if (event.error != nullptr) line += ": " + std::string(to_string(event.error->code));
      lines.push_back(line);
      if (event.kind == Kind::kStarted) starts.push_back(event.time - begin);
    };
  }
  std::size_t count(const std::string& part) const {
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(),
        [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
};

Result<Int> fails(Ctx&, const Int&) { return Error{ErrorCode::kNetwork, "no answer"}; }
Int add_one(Ctx&, const Int& number) { return number + 1; }

/// Threads and real timers.
struct Real {
  SystemTimers timers;
  Lanes lanes{Lanes::Options{.cpu_threads = 2, .queue_max = 100'000}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
};

TEST_CASE("an error names its node's path, and ends the run") {
  Graph g;
  const auto in = g.input<Int>("n");
  const auto program = g.build(g.loop(
      "refine", in,
      [](Graph& inside, Out<Int> state) {
        return inside.node(
            "fix",
            [](Ctx&, const Int& n) -> Result<Int> {
              if (n == 2) return Error{ErrorCode::kNetwork, "no answer"};
              return n + 1;
            },
            {}, state);
      },
      5));
  VirtualExecutor executor;
  Runtime runtime(executor);
  const auto value = runtime.run(*program, Inputs().set<Int>("n", 0));
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::kNetwork);
  CHECK(value.error().message == "node refine[2]/fix: no answer");
}

TEST_CASE("an exception in a node's code is its error") {
  Graph g;
  const auto program = g.build(g.node(
      "bad", [](Ctx&, const Int&) -> Int { throw std::runtime_error("oops"); }, {},
      g.input<Int>("n")));
  VirtualExecutor executor;
  Runtime runtime(executor);
  CHECK(runtime.run(*program, Inputs().set<Int>("n", 0)).error().message ==
        "node bad: a callback threw: oops");
}

TEST_CASE("a map fails with its first element, a collecting one tells them apart") {
  const auto odd_fails = [](Ctx&, const Int& n) -> Result<Int> {
    if (n % 2 == 1) return Error{ErrorCode::kNotFound, "odd"};
    return n * 10;
  };
  const std::vector<Int> numbers{0, 1, 2, 3};
  VirtualExecutor executor;
  Runtime runtime(executor);
  Graph strict;
  const auto fails_fast =
      strict.build(strict.map("m", odd_fails, {}, strict.input<std::vector<Int>>("list")));
  const auto failed = runtime.run(*fails_fast, Inputs().set("list", numbers));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "node m[1]: odd");
  Graph lenient;
  const auto collects =
      lenient.build(lenient.collect("m", odd_fails, {}, lenient.input<std::vector<Int>>("list")));
  const auto partial = runtime.run(*collects, Inputs().set("list", numbers));
  REQUIRE(partial);
  CHECK(*partial == Partial<Int>{{0, 2},
                                 {0, 20},
                                 {{1, ErrorCode::kNotFound, "node m[1]: odd"},
                                  {3, ErrorCode::kNotFound, "node m[3]: odd"}}});
  CHECK(runtime.run(*collects, Inputs().set("list", std::vector<Int>())).value() == Partial<Int>{});
}

TEST_CASE("A13: 10,000 elements keep their order, on threads too") {
  Graph g;
  const auto program = g.build(g.map("add", add_one, {}, g.input<std::vector<Int>>("list")));
  std::vector<Int> numbers(10'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  Real real;
  const auto begin = std::chrono::steady_clock::now();
  const auto value = real.runtime.run(*program, Inputs().set("list", numbers));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  REQUIRE(value);
  std::cout << "A13: 10,000 elements in order in " << took.count() << " ms\n";
  std::vector<Int> wanted(10'000);
  std::iota(wanted.begin(), wanted.end(), 1);
  CHECK(*value == wanted);
  const auto refused =
      real.runtime.run(*program, Inputs().set("list", numbers), {.elements_max = 9'999});
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("a node that was woken for a budget but has died meanwhile wakes the next") {
  VirtualExecutor executor({2, 2, 1});
  Runtime runtime(executor);
  Graph g;
  const Policy costs = {.cost = {.calls = 1}};
  const auto program = g.build(
      g.collect_each("all", g.input<std::vector<Int>>("list"), [&](Graph& in, Out<Int> element) {
        const auto a = in.node(
            "a",
            [](Ctx& ctx, const Int& n) -> Result<Int> {
              WEFT_TRY_VOID(ctx.sleep_for(1ms));
              if (n == 0) return Error{ErrorCode::kNotFound, "none"};
              return n;
            },
            costs, element);
        const auto b = in.node("b", add_one, costs, element);
        return in.node(
            "sum", [](Ctx&, const Int& x, const Int& y) { return x + y; }, {}, a, b);
      }));
  REQUIRE(program);
  // Nothing is spent but what the nodes report: each in turn has room.
  const auto found = runtime.run(*program, Inputs().set("list", std::vector<Int>{0, 1, 2, 3}),
                                 {.limit = {.calls = 1}});
  INFO((found ? "" : found.error().message));
  REQUIRE(found);
  CHECK(found->values.size() + found->missing.size() == 4);
  CHECK(found->missing.size() >= 1);
}

TEST_CASE("the longest time there is means no limit") {
  VirtualExecutor executor;
  Runtime runtime(executor);
  const auto forever = std::chrono::nanoseconds::max();
  Graph g;
  const Policy policy = {.timeout = forever, .expected = forever};
  const auto first = g.node("first", add_one, policy, g.input<Int>("n"));
  const auto program = g.build(g.node("second", add_one, policy, first));
  REQUIRE(program);
  CHECK(runtime.run(*program, Inputs().set<Int>("n", 1), {.timeout = forever}).value() == 3);
}

TEST_CASE("elements without code, and maps in maps that are too long, end their map") {
  VirtualExecutor executor;
  Runtime runtime(executor);
  Graph g;
  const auto program = g.build(g.map_each("same", g.input<std::vector<Int>>("list"),
                                          [](Graph&, Out<Int> element) { return element; }));
  std::vector<Int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  CHECK(runtime.run(*program, Inputs().set("list", numbers)).value() == numbers);
  CHECK(runtime.run(*program, Inputs().set("list", std::vector<Int>())).value().empty());
  Graph nested;
  const auto lists = nested.input<std::vector<std::vector<Int>>>("lists");
  const auto lengths =
      nested.build(nested.collect_each("outer", lists, [](Graph& in, Out<std::vector<Int>> list) {
        return in.map("inner", add_one, {}, list);
      }));
  REQUIRE(lengths);
  const std::vector<std::vector<Int>> given(600, std::vector<Int>(3));
  const auto all = runtime.run(*lengths, Inputs().set("lists", given), {.elements_max = 600});
  REQUIRE(all);
  CHECK(all->values == std::vector<std::vector<Int>>(600, {1, 1, 1}));
  auto too_long = given;
  for (auto& list : too_long) list.resize(601);
  const auto none = runtime.run(*lengths, Inputs().set("lists", too_long), {.elements_max = 600});
  REQUIRE(none);
  CHECK(none->missing.size() == 600);
}

TEST_CASE("a chain of 100,000 nodes needs no stack") {
  Graph g;
  auto out = g.input<Int>("n");
  for (int i = 0; i < 100'000; ++i) out = g.node(std::to_string(i), add_one, {}, out);
  const auto program = g.build(out);
  Real real;
  CHECK(real.runtime.run(*program, Inputs().set<Int>("n", 0)).value() == 100'000);
  VirtualExecutor executor;
  CHECK(Runtime(executor).run(*program, Inputs().set<Int>("n", 0)).value() == 100'000);
}

TEST_CASE("A18: a node that fails twice is tried three times, after base and twice base, +-25 %") {
  Graph g;
  std::atomic<int> attempts{0};
  const auto program = g.build(g.node(
      "flaky",
      [&](Ctx& ctx, const Int& n) -> Result<Int> {
        ++attempts;
        if (ctx.attempt() < 3) return Error{ErrorCode::kNetwork, "no answer"};
        return n;
      },
      {.attempts = 5, .backoff = 100ms}, g.input<Int>("n")));
  Log first;
  for (int repeat = 0; repeat < 2; ++repeat) {
    VirtualExecutor executor;
    Log log;
    CHECK(Runtime(executor)
              .run(*program, Inputs().set<Int>("n", 7), {.on_event = log.observer()})
              .value() == 7);
    REQUIRE(log.starts.size() == 3);
    CHECK(log.starts[0] == 0ns);
    CHECK(log.starts[1] >= 75ms);
    CHECK(log.starts[1] <= 125ms);
    CHECK(log.starts[2] - log.starts[1] >= 150ms);
    CHECK(log.starts[2] - log.starts[1] <= 250ms);
    if (repeat == 0) {
      std::cout << "A18: 3 attempts, after waits of "
                << std::chrono::duration<double>(log.starts[1]).count() << " and "
                << std::chrono::duration<double>(log.starts[2] - log.starts[1]).count() << " s\n";
    }
    CHECK(log.lines == std::vector<std::string>{"started flaky", "retried flaky: network",
                                                "started flaky", "retried flaky: network",
                                                "started flaky", "done flaky"});
    if (repeat == 0) first = log;
    CHECK(log.starts == first.starts);  // the jitter too is the run's own
  }
  CHECK(attempts == 6);
}

TEST_CASE("A18: attempts end at the policy's bound; what can't pass is not tried again") {
  VirtualExecutor executor;
  Runtime runtime(executor);
  const auto tried = [&](ErrorCode code, Policy policy) {
    int count = 0;
    Graph g;
    const auto program = g.build(g.node(
        "fails",
        [&count, code](Ctx&, const Int&) -> Result<Int> {
          ++count;
          return Error{code, "no"};
        },
        policy, g.input<Int>("n")));
    CHECK(runtime.run(*program, Inputs().set<Int>("n", 0)).error().code == code);
    return count;
  };
  CHECK(tried(ErrorCode::kNetwork, {.attempts = 4}) == 4);
  CHECK(tried(ErrorCode::kNetwork, {.effect = Effect::kOnce}) == 1);
  CHECK(tried(ErrorCode::kInvalidArgument, {.attempts = 4}) == 1);
}

TEST_CASE("A18: a timeout counts as an attempt, on the virtual clock and on threads") {
  Graph g;
  const auto program = g.build(g.node(
      "slow",
      [](Ctx& ctx, const Int& n) -> Result<Int> {
        if (ctx.attempt() == 1) WEFT_TRY_VOID(ctx.sleep_for(1h));
        return n;
      },
      {.attempts = 2, .timeout = 20ms}, g.input<Int>("n")));
  Log log;
  VirtualExecutor executor;
  log.begin = executor.clock().steady_now();
  CHECK(Runtime(executor)
            .run(*program, Inputs().set<Int>("n", 7), {.on_event = log.observer()})
            .value() == 7);
  CHECK(log.lines == std::vector<std::string>{"started slow", "retried slow: deadline_exceeded",
                                              "started slow", "done slow"});
  CHECK(log.starts == std::vector<std::chrono::nanoseconds>{0ms, 20ms});
  Real real;
  Log threads;
  CHECK(real.runtime.run(*program, Inputs().set<Int>("n", 7), {.on_event = threads.observer()})
            .value() == 7);
  CHECK(threads.lines == log.lines);
}

TEST_CASE("A19: a loop has an instance for each round, and says when its bound ended it") {
  const auto build = [](bool with_until) {
    Graph g;
    const auto in = g.input<Int>("n");
    const auto body = [](Graph& inside, Out<Int> state) {
      return inside.node("fix", add_one, {}, state);
    };
    const auto until = [](Ctx&, const Int& n) { return n >= 3; };
    return *g.build(with_until ? g.loop("refine", in, body, until, 5)
                               : g.loop("refine", in, body, 5));
  };
  VirtualExecutor executor;
  Runtime runtime(executor);
  Log ended;
  CHECK(
      runtime.run(build(true), Inputs().set<Int>("n", 0), {.on_event = ended.observer()}).value() ==
      3);
  CHECK(ended.count("done refine[0]/fix") == 1);
  CHECK(ended.count("done refine[2]/fix") == 1);
  CHECK(ended.count("/fix") == 2 * 3);
  CHECK(ended.count("bound") == 0);
  Log bound;
  CHECK(runtime.run(build(false), Inputs().set<Int>("n", 0), {.on_event = bound.observer()})
            .value() == 5);
  CHECK(bound.count("done refine[4]/fix") == 1);
  CHECK(bound.count("/fix") == 2 * 5);
  CHECK(bound.lines[bound.lines.size() - 2] == "bound refine");
  std::cout << "A19: " << ended.count("/fix") / 2 << " rounds to the condition, "
            << bound.count("/fix") / 2 << " to the bound, which is named\n";
}

/// 1,000 nodes that wait for an hour without a thread, inside five scopes.
Result<Program<std::vector<Int>>> sleepers(Graph& g) {
  const auto list = g.input<std::vector<Int>>("list");
  const auto sleep = [](Graph& inside, Out<Int> element) {
    return inside.async<Int>(
        "sleep",
        [](Done<Int> done, const Int& n) {
          Timers& timers = done.ctx().timers();
          timers.at(timers.clock().steady_now() + 1h, [done, n] { done(n); });
        },
        {.lane = LaneKind::kIo}, element);
  };
  return g.build(g.scope("s1", {}, [&](Graph& a) {
    return a.scope("s2", {}, [&](Graph& b) {
      return b.scope("s3", {}, [&](Graph& c) {
        return c.scope("s4", {}, [&](Graph& d) { return d.map_each("m", list, sleep); });
      });
    });
  }));
}

TEST_CASE("A17: 1,000 waiting nodes, five scopes deep, all end cancelled at once") {
  Graph g;
  const auto program = sleepers(g);
  REQUIRE(program);
  std::vector<Int> numbers(1000);
  Real real;
  Log log;
  std::atomic<int> started{0};
  std::stop_source stop;
  auto observe = log.observer();
  const RunOptions options{.stop = stop.get_token(), .on_event = [&](const Event& event) {
                             observe(event);
                             if (event.kind == Kind::kStarted) ++started;
                           }};
  auto run = real.runtime.start(*program, Inputs().set("list", numbers), options);
  REQUIRE(run);
  while (started < 1000) std::this_thread::yield();
  const auto before = std::chrono::steady_clock::now();
  stop.request_stop();
  const auto value = run->wait();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
  std::cout << "A17: " << took.count() << " ms to cancel 1,000 waiting nodes\n";
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::kCancelled);
  CHECK(log.count("failed s1/s2/s3/s4/m[") == 1000);
  CHECK(log.count(": cancelled") == 1000);
}

TEST_CASE("a run's time ends it: waiting, working and on the virtual clock") {
  Graph g;
  const auto program = sleepers(g);
  const Inputs inputs = Inputs().set("list", std::vector<Int>(3));
  VirtualExecutor executor;
  const SteadyTime begin = executor.clock().steady_now();
  CHECK(Runtime(executor).run(*program, inputs, {.timeout = 5s}).error().code ==
        ErrorCode::kDeadlineExceeded);
  CHECK(executor.clock().steady_now() == begin + 5s);
  Real real;
  CHECK(real.runtime.run(*program, inputs, {.timeout = 2ms}).error().code ==
        ErrorCode::kDeadlineExceeded);
  Graph other;
  const auto works = other.build(other.node(
      "busy",
      [](Ctx& ctx, const Int& n) -> Result<Int> {
        while (ctx.check()) std::this_thread::yield();
        WEFT_TRY_VOID(ctx.check());
        return n;
      },
      {}, other.input<Int>("n")));
  CHECK(real.runtime.run(*works, Inputs().set<Int>("n", 0), {.timeout = 2ms}).error().code ==
        ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a sibling's failure stops those that wait or sleep") {
  Graph g;
  const auto in = g.input<Int>("n");
  const auto sleeps = g.node(
      "sleeps",
      [](Ctx& ctx, const Int& n) -> Result<Int> {
        WEFT_TRY_VOID(ctx.sleep_for(1h));
        return n;
      },
      {.lane = LaneKind::kIo}, in);
  const auto bad = g.node("bad", fails, {}, in);
  const auto program = g.build(g.node(
      "join", [](Ctx&, const Int& a, const Int& b) { return a + b; }, {}, sleeps, bad));
  Real real;
  CHECK(real.runtime.run(*program, Inputs().set<Int>("n", 0)).error().message ==
        "node bad: no answer");
  VirtualExecutor executor;
  const SteadyTime begin = executor.clock().steady_now();
  CHECK(Runtime(executor).run(*program, Inputs().set<Int>("n", 0)).error().message ==
        "node bad: no answer");
  CHECK(executor.clock().steady_now() == begin);
}

TEST_CASE("a waiting node's time ends it, and its timer may keep Done longer than the executor") {
  Graph g;
  const auto program = g.build(g.async<Int>(
      "waits",
      [](Done<Int> done, const Int& n) {
        Timers& timers = done.ctx().timers();
        timers.at(timers.clock().steady_now() + 1h, [done, n] { done(n); });
      },
      {.attempts = 2, .timeout = 2ms}, g.input<Int>("n")));
  Log threads;
  {
    Real real;
    const auto value =
        real.runtime.run(*program, Inputs().set<Int>("n", 0), {.on_event = threads.observer()});
    CHECK(value.error().message == "node waits: the attempt's time is up");
  }
  Log log;
  VirtualExecutor executor;
  const SteadyTime begin = executor.clock().steady_now();
  CHECK_FALSE(
      Runtime(executor).run(*program, Inputs().set<Int>("n", 0), {.on_event = log.observer()}));
  CHECK(executor.clock().steady_now() == begin + 4ms);
  CHECK(log.lines == threads.lines);
  CHECK(log.lines[1] == "retried waits: deadline_exceeded");
}

TEST_CASE("code that lets go of Done, or calls it twice, ends its node once") {
  Graph g;
  const auto in = g.input<Int>("n");
  const auto program = g.build(g.async<Int>(
      "forgets", [](Done<Int>, const Int&) {}, {}, in));
  Real real;
  CHECK(real.runtime.run(*program, Inputs().set<Int>("n", 0)).error().message ==
        "node forgets: its code let go of Done without calling it");
  Graph other;
  const auto twice = other.build(other.async<Int>(
      "twice",
      [](Done<Int> done, const Int& n) {
        std::thread([done, n] {
          done(n + 1);
          done(n + 2);
        }).join();
      },
      {}, other.input<Int>("n")));
  CHECK(real.runtime.run(*twice, Inputs().set<Int>("n", 0)).value() == 1);
}

TEST_CASE(
    "A12: random graphs have the values of plain code, on a virtual clock and on 1, 2 and 8 "
    "threads") {
  // A node mixes its inputs; the plain code goes over the nodes in order.
  const auto mix = [](std::uint64_t node, const std::vector<Int>& inputs) {
    std::uint64_t hash = node;
    for (const Int input : inputs)
      hash = hash * 6364136223846793005U + static_cast<std::uint64_t>(input);
    return static_cast<Int>(hash >> 1);
  };
  SystemTimers timers;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed, 12);
    Graph g;
    std::vector<Out<Int>> outs;
    std::vector<Int> values;
    for (std::uint64_t n = 0; n < 5 + random.below(60); ++n) {
      std::vector<Out<Int>> in;
      std::vector<Int> given;
      for (std::uint64_t edges = random.below(4); edges > 0 && n > 0; --edges) {
        const std::size_t from = random.below(n);
        in.push_back(outs[from]);
        given.push_back(values[from]);
      }
      const auto lane = random.chance(0.3) ? LaneKind::kIo : LaneKind::kCpu;
      outs.push_back(g.gather(
          std::to_string(n), [&mix, n](Ctx&, const std::vector<Int>& all) { return mix(n, all); },
          {.lane = lane}, in));
      values.push_back(mix(n, given));
    }
    const auto program = g.build(g.gather(
        "end", [&mix](Ctx&, const std::vector<Int>& all) { return mix(0, all); }, {}, outs));
    REQUIRE(program);
    const Int wanted = mix(0, values);
    VirtualExecutor executor({1 + random.below(4), 2, 1});
    CHECK(Runtime(executor).run(*program, {}).value() == wanted);
    for (const std::size_t threads : {1U, 2U, 8U}) {
      Lanes lanes({.cpu_threads = threads});
      ThreadExecutor on_threads(lanes, timers);
      CHECK(Runtime(on_threads).run(*program, {}).value() == wanted);
    }
  }
}

TEST_CASE("numbers of a node depend on the seed and its path, not on the order or the threads") {
  Graph g;
  const auto program = g.build(g.map(
      "draw", [](Ctx& ctx, const Int&) { return static_cast<Int>(ctx.random().next() >> 1); }, {},
      g.input<std::vector<Int>>("list")));
  const Inputs inputs = Inputs().set("list", std::vector<Int>(100));
  VirtualExecutor one({1, 1, 1});
  VirtualExecutor eight({8, 1, 1});
  Real real;
  const auto values = Runtime(one).run(*program, inputs, {.seed = 5}).value();
  CHECK(Runtime(eight).run(*program, inputs, {.seed = 5}).value() == values);
  CHECK(real.runtime.run(*program, inputs, {.seed = 5}).value() == values);
  CHECK(Runtime(one).run(*program, inputs, {.seed = 6}).value() != values);
  CHECK(values[0] != values[1]);
}

TEST_CASE("calls that are ready together are started together") {
  std::vector<std::size_t> sizes;
  auto code = std::make_shared<Function>();
  code->inputs = {type_of<Int>()};
  code->output = type_of<Int>();
  code->start_all = [&](std::vector<std::shared_ptr<Call>> calls) {
    sizes.push_back(calls.size());
    for (const auto& call : calls) call->finish(make_value<Int>(call->argument(0).as<Int>() * 2));
  };
  Graph g;
  const auto program =
      g.build(g.map_each("m", g.input<std::vector<Int>>("list"), [&](Graph& in, Out<Int> element) {
        return in.call<Int>("double", code, {.lane = LaneKind::kModel}, element);
      }));
  REQUIRE(program);
  VirtualExecutor executor;
  CHECK(Runtime(executor).run(*program, Inputs().set("list", std::vector<Int>{1, 2, 3})).value() ==
        std::vector<Int>{2, 4, 6});
  CHECK(sizes == std::vector<std::size_t>{3});
}

TEST_CASE("a long run doesn't keep a short one from its lane") {
  SystemTimers timers;
  Lanes lanes({.cpu_threads = 1});
  ThreadExecutor executor(lanes, timers);
  Runtime runtime(executor);
  Graph endless;
  const auto loops = endless.build(endless.loop(
      "loop", endless.input<Int>("n"),
      [](Graph& in, Out<Int> state) { return in.node("add", add_one, {}, state); }, 1'000'000));
  Graph g;
  const auto once = g.build(g.node("add", add_one, {}, g.input<Int>("n")));
  auto first = runtime.start(*loops, Inputs().set<Int>("n", 0), {.timeout = 1h});
  auto second = runtime.start(*once, Inputs().set<Int>("n", 0));
  CHECK(second->wait().value() == 1);
  first->cancel();
  const auto ended = first->wait();
  CHECK(ended.error().code == ErrorCode::kCancelled);
}

TEST_CASE("many runs at once on one runtime") {
  Graph g;
  const auto in = g.input<Int>("n");
  auto out = in;
  for (const char* name : {"a", "b", "c"}) out = g.node(name, add_one, {}, out);
  const auto program = g.build(out);
  Real real;
  std::vector<Run<Int>> runs;
  for (Int i = 0; i < 500; ++i) {
    auto run = real.runtime.start(*program, Inputs().set<Int>("n", i));
    REQUIRE(run);
    runs.push_back(*std::move(run));
  }
  for (Int i = 0; i < 500; ++i) CHECK(runs[static_cast<std::size_t>(i)].wait().value() == i + 3);
}

}  // namespace
}  // namespace weft::planner
