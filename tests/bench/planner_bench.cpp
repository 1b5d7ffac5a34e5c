// What the planner's own part of a run costs: no model, no I/O, nodes that add 1.
// Run: weft_planner_bench [--quick]
// Prints JSON rows {name, value, unit}: the median of several repetitions, by the clock.

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "planner/forecast.h"
#include "planner/graph.h"
#include "planner/runtime.h"

namespace {

using namespace weft::planner;
using weft::Timers;
using Int = std::int64_t;

constexpr int kRepeats = 7;

void print_row(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name.c_str(), value, unit);
}

/// Median seconds of `work`, which does its thing `inner` times.
double median_seconds(int inner, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < inner; ++i) work();  // warms up
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < inner; ++i) work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count() / inner);
  }
  std::ranges::nth_element(times, times.begin() + kRepeats / 2);
  return times[kRepeats / 2];
}

template <typename T>
T must(weft::Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

Int add_one(Ctx&, const Int& number) { return number + 1; }

Program<Int> chain(int length) {
  Graph g;
  auto out = g.input<Int>("n");
  for (int i = 0; i < length; ++i) out = g.node(std::to_string(i), add_one, {}, out);
  return must(g.build(out));
}

Program<Int> five_and_join() {
  Graph g;
  const auto in = g.input<Int>("n");
  std::vector<Out<Int>> workers;
  for (int i = 0; i < 5; ++i) workers.push_back(g.node(std::to_string(i), add_one, {}, in));
  const auto sum = [](Ctx&, const std::vector<Int>& all) {
    return std::accumulate(all.begin(), all.end(), Int{0});
  };
  return must(g.build(g.gather("join", sum, {}, workers)));
}

Program<Int> loop_of(int rounds) {
  Graph g;
  return must(g.build(g.loop(
      "loop", g.input<Int>("n"),
      [](Graph& in, Out<Int> state) { return in.node("add", add_one, {}, state); }, rounds)));
}

Program<std::vector<Int>> fan_out() {
  Graph g;
  return must(g.build(g.map("add", add_one, {}, g.input<std::vector<Int>>("list"))));
}

double resident_bytes_max() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

/// The rows of one executor of `threads` CPU threads; the caller's thread is one of them.
void bench(Runtime& runtime, const std::string& suffix, bool quick) {
  const Inputs one = Inputs().set<Int>("n", 0);
  const auto run = [&](const Program<Int>& program, Int wanted) {
    if (must(runtime.run(program, one)) != wanted) std::abort();
  };
  const auto three = chain(3);
  print_row("3-node run" + suffix, median_seconds(quick ? 10 : 2000, [&] { run(three, 3); }) * 1e6,
            "us");
  const auto joined = five_and_join();
  print_row("5 + join" + suffix, median_seconds(quick ? 10 : 2000, [&] { run(joined, 5); }) * 1e6,
            "us");
  const auto looped = loop_of(1000);
  print_row("loop of 1000" + suffix,
            median_seconds(quick ? 1 : 20, [&] { run(looped, 1000); }) * 1e3, "ms");
  const auto wide = fan_out();
  // The memory of the widest shows in the peak before anything larger has run.
  for (const int children : {100, 1000, 10'000, 100'000}) {
    if (quick && children > 1000) break;
    const Inputs inputs =
        Inputs().set("list", std::vector<Int>(static_cast<std::size_t>(children)));
    const double before = resident_bytes_max();
    const double seconds = median_seconds(children <= 1000 ? 20 : 1, [&] {
      if (must(runtime.run(wide, inputs)).size() != static_cast<std::size_t>(children))
        std::abort();
    });
    print_row("fan-out to " + std::to_string(children) + suffix, seconds * 1e3, "ms");
    if (children == 100'000 && suffix == ", threads 1") {
      print_row("fan-out to 100000, memory a child" + suffix,
                (resident_bytes_max() - before) / children, "bytes");
    }
  }
  for (const int length : {100, 1000, 10'000, 100'000, 1'000'000}) {
    if (quick && length > 1000) break;
    const auto program = chain(length);
    const double seconds = median_seconds(length <= 1000 ? 20 : 1, [&] { run(program, length); });
    print_row("chain of " + std::to_string(length) + ", a node" + suffix, seconds / length * 1e9,
              "ns");
  }
}

/// A1 on real time: k calls that sleep on 4 threads, scaled 1:100, against their closed form.
/// Prints the worst relative error of the disjoint table.
void bench_latency(bool quick) {
  weft::SystemTimers timers;
  weft::Lanes lanes({.io_threads = 4});
  ThreadExecutor executor(lanes, timers);
  Runtime runtime(executor);
  double worst = 0;
  for (const Int size : {200, 100, 67, 50, 40, 20, 10}) {
    if (quick && size != 50) continue;
    const double each = (1 + 0.02 * static_cast<double>(size)) / 100;
    const Int calls = (200 + size - 1) / size;
    Graph g;
    const auto sleep = [each](Ctx& ctx, const Int& n) -> weft::Result<Int> {
      const std::chrono::duration<double> time(each);
      WEFT_TRY_VOID(ctx.sleep_for(std::chrono::duration_cast<std::chrono::nanoseconds>(time)));
      return n;
    };
    const auto program = must(
        g.build(g.map("call", sleep, {.lane = LaneKind::kIo}, g.input<std::vector<Int>>("list"))));
    const Inputs inputs = Inputs().set("list", std::vector<Int>(static_cast<std::size_t>(calls)));
    std::array<double, 3> seconds{};  // of which the middle one counts: others use the machine too
    for (double& one : seconds) {
      auto run = must(runtime.start(program, inputs));
      must(run.wait());
      one = std::chrono::duration<double>(run.report().duration).count();
    }
    std::ranges::sort(seconds);
    const double wanted = static_cast<double>((calls + 3) / 4) * each;
    worst = std::max(worst, std::abs(seconds[1] - wanted) / wanted);
  }
  print_row("A1 on real time, worst relative error", 100 * worst, "%");
}

/// A17: from a stop to the end of a run with 1,000 waiting nodes.
void bench_cancel() {
  weft::SystemTimers timers;
  weft::Lanes lanes(weft::Lanes::Options{});
  ThreadExecutor executor(lanes, timers);
  Runtime runtime(executor);
  Graph g;
  const auto wait = [](Graph& in, Out<Int> element) {
    return in.async<Int>(
        "wait",
        [](Done<Int> done, const Int& n) {
          Timers& later = done.ctx().timers();
          later.at(later.clock().steady_now() + std::chrono::hours(1), [done, n] { done(n); });
        },
        {.lane = LaneKind::kIo}, element);
  };
  const auto program = must(g.build(g.map_each("m", g.input<std::vector<Int>>("list"), wait)));
  std::atomic<int> started{0};
  const RunOptions options{.on_event = [&](const Event& event) {
    if (event.kind == Event::Kind::kStarted) ++started;
  }};
  auto run = must(runtime.start(program, Inputs().set("list", std::vector<Int>(1000)), options));
  while (started < 1000) std::this_thread::yield();
  const auto before = std::chrono::steady_clock::now();
  run.cancel();
  if (run.wait()) std::abort();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
  print_row("A17 cancel of 1000 waiting nodes", took.count(), "ms");
}

/// 1,000 nodes in a random graph, with statistics, 1,000 samples.
void bench_forecast(bool quick) {
  Graph g;
  weft::Random random(1);
  std::vector<Out<Int>> made{g.input<Int>("n")};
  StatsBook book;
  const auto sum = [](Ctx&, const std::vector<Int>& all) { return static_cast<Int>(all.size()); };
  for (int i = 0; i < 999; ++i) {
    const std::vector<Out<Int>> in{made[random.below(made.size())],
                                   made[random.below(made.size())]};
    const std::string name = std::to_string(i);
    made.push_back(g.gather(name, sum, {.lane = LaneKind::kModel}, in));
    for (int trial = 0; trial < 100; ++trial) {
      book.record({.function = name, .path = name},
                  {.seconds = random.lognormal(0.5), .prompt_tokens = 100, .output_tokens = 20},
                  false);
    }
  }
  const std::vector<Out<Int>> ends(made.begin() + 1, made.end());
  const auto program = must(g.build(g.gather("end", sum, {}, ends)));
  const int samples = quick ? 10 : 1000;
  for (const std::size_t threads : {1U, 2U}) {
    const ForecastOptions options{.samples = samples, .threads = threads};
    const Machine machine{.widths = {1, 1024, 4}};
    const auto start = std::chrono::steady_clock::now();
    must(forecast(program, book, machine, options));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    print_row("forecast of 1000 nodes x " + std::to_string(samples) + " samples, threads " +
                  std::to_string(threads),
              took.count(), "s");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  for (const std::size_t threads : {1U, 2U}) {
    weft::SystemTimers timers;
    weft::Lanes lanes({.cpu_threads = threads});
    ThreadExecutor executor(lanes, timers);
    Runtime runtime(executor);
    bench(runtime, ", threads " + std::to_string(threads), quick);
  }
  bench_latency(quick);
  bench_cancel();
  bench_forecast(quick);
}
