// Acceptance tests A1 to A4 and A14's p = 1: when nodes run, on the virtual clock.

#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/random.h"
#include "planner/graph.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Int = std::int64_t;
using Seconds = std::chrono::duration<double>;

std::chrono::nanoseconds nanoseconds(double seconds) {
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

/// Seconds that `subtasks` equal calls of `each` seconds take on p workers.
double makespan(Int subtasks, double each, std::size_t p) {
  Graph g;
  const auto program = g.build(g.map(
      "call",
      [each](Ctx& ctx, const Int& index) -> Result<Int> {
        WEFT_TRY_VOID(ctx.sleep_for(nanoseconds(each)));
        return index;
      },
      {}, g.input<std::vector<Int>>("parts")));
  REQUIRE(program);
  std::vector<Int> parts(static_cast<std::size_t>(subtasks));
  std::iota(parts.begin(), parts.end(), 0);
  VirtualExecutor executor({p, 1, 1});
  Runtime runtime(executor);
  auto run = runtime.start(*program, Inputs().set("parts", parts));
  REQUIRE(run);
  CHECK(run->wait().value() == parts);  // in the order of the input
  return Seconds(run->report().duration).count();
}

Int rounded_up(Int a, Int b) { return (a + b - 1) / b; }

TEST_CASE("A1: the latency tables of disjoint and overlapping parts, exact to 1e-9 s") {
  double worst = 0;
  // n = 200, p = 4, t(m) = 1 + 0.02 m.
  const std::vector<std::pair<Int, double>> disjoint = {
      {200, 5.00}, {100, 3.00}, {67, 2.34}, {50, 2.00}, {40, 3.60}, {20, 4.20}, {10, 6.00}};
  for (const auto& [m, seconds] : disjoint) {
    const double found = makespan(rounded_up(200, m), 1 + 0.02 * static_cast<double>(m), 4);
    INFO("m = " << m << ": " << found);
    CHECK(std::abs(found - seconds) < 1e-9);
    worst = std::max(worst, std::abs(found - seconds));
  }
  // n = 10000, p = 4, half of each window overlaps, t(m) = 1 + 0.0005 m.
  const std::vector<std::pair<Int, double>> overlapping = {
      {10000, 6.000}, {6670, 4.335}, {5000, 3.500}, {4000, 3.000},
      {3340, 5.340},  {2500, 4.500}, {2000, 6.000}, {1000, 7.500}};
  for (const auto& [m, seconds] : overlapping) {
    const Int windows = 1 + rounded_up(10000 - m, m / 2);
    const double found = makespan(windows, 1 + 0.0005 * static_cast<double>(m), 4);
    INFO("m = " << m << ": " << found);
    CHECK(std::abs(found - seconds) < 1e-9);
    worst = std::max(worst, std::abs(found - seconds));
  }
  std::cout << "A1: " << disjoint.size() + overlapping.size() << " latencies, off by at most "
            << worst << " s\n";
}

/// A random DAG: each node reads some of those before it.
struct Dag {
  std::vector<std::vector<std::size_t>> reads;
  std::vector<std::chrono::nanoseconds> times;

  std::chrono::nanoseconds work() const {
    return std::accumulate(times.begin(), times.end(), std::chrono::nanoseconds(0));
  }
  std::chrono::nanoseconds critical_path() const {
    std::vector<std::chrono::nanoseconds> ends(times.size());
    std::chrono::nanoseconds last{0};
    for (std::size_t n = 0; n < times.size(); ++n) {
      for (const std::size_t from : reads[n]) ends[n] = std::max(ends[n], ends[from]);
      ends[n] += times[n];
      last = std::max(last, ends[n]);
    }
    return last;
  }
  /// As super-steps run it: a level begins when the one before has ended; enough workers.
  std::chrono::nanoseconds by_levels() const {
    std::vector<std::size_t> level(times.size(), 0);
    std::map<std::size_t, std::chrono::nanoseconds> slowest;
    for (std::size_t n = 0; n < times.size(); ++n) {
      for (const std::size_t from : reads[n]) level[n] = std::max(level[n], level[from] + 1);
      slowest[level[n]] = std::max(slowest[level[n]], times[n]);
    }
    std::chrono::nanoseconds sum{0};
    for (const auto& [which, time] : slowest) sum += time;
    return sum;
  }
};

/// 5 to 40 nodes with lognormal(1) seconds; `edges` is the chance that a node reads another.
Dag random_dag(Random& random, double edges) {
  Dag dag;
  const std::size_t nodes = 5 + random.below(36);
  for (std::size_t n = 0; n < nodes; ++n) {
    dag.times.push_back(nanoseconds(random.lognormal(1)));
    dag.reads.emplace_back();
    for (std::size_t from = 0; from < n; ++from) {
      if (random.chance(edges)) dag.reads[n].push_back(from);
    }
  }
  return dag;
}

struct Measured {
  std::chrono::nanoseconds duration;
  std::uint64_t attempts;
  Int nodes;  // as they count themselves
};

Program<Int> program_of(const Dag& dag) {
  Graph g;
  std::vector<Out<Int>> outs;
  std::vector<bool> is_read(dag.times.size(), false);
  const auto sleeping = [&](std::size_t n) {
    return [time = dag.times[n]](Ctx& ctx, const std::vector<Int>&) -> Result<Int> {
      WEFT_TRY_VOID(ctx.sleep_for(time));
      return Int{1};
    };
  };
  for (std::size_t n = 0; n < dag.times.size(); ++n) {
    std::vector<Out<Int>> in;
    for (const std::size_t from : dag.reads[n]) in.push_back(outs[from]);
    outs.push_back(g.gather(std::to_string(n), sleeping(n), {}, in));
  }
  const auto count = [](Ctx&, const std::vector<Int>& all) {
    return std::accumulate(all.begin(), all.end(), Int{0});
  };
  return *g.build(g.gather("end", count, {}, outs));
}

Measured run_on(const Program<Int>& program, std::size_t p) {
  VirtualExecutor executor({p, 1, 1});
  Runtime runtime(executor);
  auto run = runtime.start(program, {});
  REQUIRE(run);
  const auto nodes = run->wait();
  REQUIRE(nodes);
  return {run->report().duration, run->report().attempts, *nodes};
}

TEST_CASE("A2: 10,000 random graphs end within Graham's bounds, each node run once") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
  constexpr int kGraphs = 500;
#else
  constexpr int kGraphs = 10'000;
#endif
  Random random(2);
  int violations = 0;
  for (int i = 0; i < kGraphs; ++i) {
    // Every fourth set is independent: there, a barrier after each p nodes is the other bound.
    const bool independent = i % 4 == 0;
    const Dag dag = random_dag(random, independent ? 0 : 0.2);
    const auto program = program_of(dag);
    const auto work = dag.work();
    const auto path = dag.critical_path();
    for (const std::size_t p : {1U, 2U, 4U, 8U, 64U}) {
      const Measured found = run_on(program, p);
      const auto count = static_cast<Int>(p);
      const auto least = std::max((work + std::chrono::nanoseconds(count - 1)) / count, path);
      const auto most = work / count + path - path / count + 2ns;
      bool ok = least <= found.duration + 1ns && found.duration <= most;
      ok = ok && found.nodes == static_cast<Int>(dag.times.size());
      ok = ok && found.attempts == dag.times.size() + 1;
      if (independent) {
        std::chrono::nanoseconds barrier{0};
        for (std::size_t n = 0; n < dag.times.size(); n += p) {
          const auto end =
              dag.times.begin() + static_cast<std::ptrdiff_t>(std::min(n + p, dag.times.size()));
          barrier += *std::max_element(dag.times.begin() + static_cast<std::ptrdiff_t>(n), end);
        }
        ok = ok && found.duration <= barrier;
      }
      if (!ok) ++violations;
    }
  }
  std::cout << "A2: " << violations << " violations in " << kGraphs << " graphs\n";
  CHECK(violations == 0);
}

TEST_CASE("A3: a follower starts when its own input is there, not when a slow sibling ends") {
  Graph g;
  const auto in = g.input<Int>("start");
  const auto wait = [](std::chrono::nanoseconds time) {
    return [time](Ctx& ctx, const Int& value) -> Result<Int> {
      WEFT_TRY_VOID(ctx.sleep_for(time));
      return value;
    };
  };
  const auto fast = g.node("fast", wait(100ms), {}, in);
  const auto slow = g.node("slow", wait(1200ms), {}, in);
  const auto follower = g.node("follower", wait(10ms), {}, fast);
  const auto program = g.build(g.node(
      "join", [](Ctx&, const Int& a, const Int& b) { return a + b; }, {}, follower, slow));
  REQUIRE(program);
  VirtualExecutor executor({2, 1, 1});
  Runtime runtime(executor);
  const SteadyTime begin = executor.clock().steady_now();
  std::map<std::string, std::chrono::nanoseconds> starts;
  const RunOptions options{.on_event = [&](const Event& event) {
    if (event.kind == Event::Kind::kStarted) starts[event.path] = event.time - begin;
  }};
  REQUIRE(runtime.run(*program, Inputs().set<Int>("start", 1), options));
  std::cout << "A3: the follower of the 0.10 s node starts at "
            << Seconds(starts["follower"]).count() << " s\n";
  CHECK(starts["follower"] == 100ms);
  CHECK(starts["join"] == 1200ms);
}

TEST_CASE("A4: super-steps take at least 1.2 times as long, over 1,000 random graphs") {
  Random random(4);
  double ratios = 0;
  double worst = 0;
  constexpr int kGraphs = 1000;
  for (int i = 0; i < kGraphs; ++i) {
    const Dag dag = random_dag(random, 0.1);
    const auto found = run_on(program_of(dag), 64).duration;
    CHECK(found == dag.critical_path());
    const double ratio = Seconds(dag.by_levels()) / Seconds(found);
    ratios += ratio;
    worst = std::max(worst, ratio);
  }
  std::cout << "A4: super-steps / dataflow: mean " << ratios / kGraphs << ", worst " << worst
            << "\n";
  CHECK(ratios / kGraphs >= 1.2);
}

TEST_CASE("the longest path goes first") {
  // On two workers: the long chain (3 s + 3 s) beside three of 2 s; begun last, it would end at 8
  // s.
  Graph g;
  const auto wait = [](std::chrono::nanoseconds time) {
    return [time](Ctx& ctx, const std::vector<Int>&) -> Result<Int> {
      WEFT_TRY_VOID(ctx.sleep_for(time));
      return Int{1};
    };
  };
  std::vector<Out<Int>> ends;
  for (const char* name : {"a", "b", "c"}) {
    ends.push_back(g.gather<Int>(name, wait(2s), {.expected = 2s}, {}));
  }
  const auto head = g.gather<Int>("head", wait(3s), {.expected = 3s}, {});
  ends.push_back(g.gather<Int>("tail", wait(3s), {.expected = 3s}, {head}));
  const auto program = g.build(g.gather<Int>("end", wait(0s), {}, ends));
  REQUIRE(program);
  CHECK(run_on(*program, 2).duration == 6s);
}

}  // namespace
}  // namespace weft::planner
