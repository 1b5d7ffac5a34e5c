// What it costs to record runs: no model, nodes that give 1 KiB; and what they take on the disk.
// Run: weft_durable_bench [--quick]
// Prints JSON rows {name, value, unit}: medians by the clock. "process": what is acknowledged
// survives the end of the process (WAL, synchronous=NORMAL); "power": also of the machine
// (synchronous=FULL, an fsync a commit). Nodes run ahead of the commits; a run's end waits for all
// of them. A "strict" node waits for the commit of everything before it and of its own intent.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "planner/graph.h"
#include "planner/runtime.h"
#include "tests/fakes/growing_state.h"
#include "tests/fakes/temp_dir.h"

namespace {

using namespace weft::planner;
using Int = std::int64_t;
using weft::test::Texts;

void print_row(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name.c_str(), value, unit);
}

template <typename T>
T must(weft::Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

struct Machine {
  weft::SystemTimers timers;
  weft::Lanes lanes{weft::Lanes::Options{.cpu_threads = 1}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
};

/// Each node gives 1 KiB of its own.
Program<std::string> chain(int length, Effect effect) {
  Graph g;
  auto out = g.input<std::string>("text");
  for (int i = 0; i < length; ++i) {
    out = g.node(
        std::to_string(i),
        [i](Ctx&, const std::string& text) {
          std::string next = text;
          next.replace(0, 8, std::to_string(10'000'000 + i));
          return next;
        },
        {.effect = effect}, out);
  }
  return must(g.build(out));
}

void bench_nodes(Machine& machine, const char* level, Durability durability, bool quick) {
  const Inputs inputs = Inputs().set<std::string>("text", std::string(1024, 'x'));
  const auto measure = [&](const std::string& name, int length, Effect effect) {
    const weft::test::TempDir folder;
    const auto trace = must(Trace::open(folder / "trace.db", {.durability = durability}));
    const auto program = chain(length, effect);
    std::vector<double> times;
    for (int repeat = 0; repeat < (quick ? 1 : 7); ++repeat) {
      times.push_back(
          seconds_of([&] { must(machine.runtime.run(program, inputs, {.trace = trace.get()})); }));
    }
    print_row(name + ", " + level, median(times) / length * 1e6, "us");
  };
  measure("durable step, chain of 100", 100, Effect::kPure);
  measure("durable node, chain of 1000", 1000, Effect::kPure);
  measure("strict node, chain of 100", 100, Effect::kOnce);
}

void bench_replay(Machine& machine, bool quick) {
  const int length = quick ? 100 : 10'000;
  const weft::test::TempDir folder;
  const auto trace = must(Trace::open(folder / "trace.db", {}));
  const auto program = chain(length, Effect::kPure);
  const Inputs inputs = Inputs().set<std::string>("text", std::string(256, 'x'));
  auto run = must(machine.runtime.start(program, inputs, {.trace = trace.get()}));
  const std::string id = run.id();
  must(run.wait());
  std::vector<double> times;
  for (int repeat = 0; repeat < (quick ? 1 : 5); ++repeat) {
    times.push_back(seconds_of([&] {
      auto again = must(machine.runtime.replay_any(program, id, {.trace = trace.get()}));
      must(again.wait_value());
    }));
  }
  print_row("replay of " + std::to_string(length) + " nodes", median(times) * 1e3, "ms");
}

/// As LangGraph's channel of a list that grows: the state is kept as its pieces.
void bench_growing(Machine& machine) {
  const weft::test::TempDir folder;
  const auto program = must(weft::test::growing_state());
  {
    const auto trace = must(Trace::open(folder / "trace.db", {}));
    must(machine.runtime.run(program, Inputs().set<Texts>("state", {}), {.trace = trace.get()}));
  }
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    bytes += file.file_size();
  }
  print_row("growing state, 200 steps of 256 bytes", static_cast<double>(bytes) / 1e3, "KB");
}

double resident_megabytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

void bench_suspended(Machine& machine, bool quick) {
  const int count = quick ? 50 : 10'000;
  const weft::test::TempDir folder;
  const auto trace = must(Trace::open(folder / "trace.db", {}));
  Graph g;
  const auto question = g.node(
      "question", [](Ctx&, const Int& n) { return "Pay " + std::to_string(n) + "?"; }, {},
      g.input<Int>("n"));
  const auto program = must(g.build(g.node(
      "pay", [](Ctx&, const bool& yes, const Int& n) { return yes ? n : 0; }, {},
      g.ask<bool>("approve", question), g.input<Int>("m"))));
  const double before = resident_megabytes();
  std::vector<std::string> ids;
  for (Int n = 0; n < count; ++n) {
    auto run = must(machine.runtime.start(program, Inputs().set<Int>("n", n).set<Int>("m", n),
                                          {.trace = trace.get()}));
    ids.push_back(run.id());
    if (run.wait().error().code != weft::ErrorCode::kSuspended) std::abort();
  }
  print_row(std::to_string(count) + " suspended runs, memory", resident_megabytes() - before, "MB");
  std::vector<double> times;
  for (Int n = 0; n < std::min(count, 1000); ++n) {
    const std::string& id = ids[static_cast<std::size_t>(n * 7919 % count)];
    times.push_back(seconds_of([&] {
      auto run = must(machine.runtime.resume(
          program, id, {.given = {{"approve", make_value<bool>(true)}}}, {.trace = trace.get()}));
      must(run.wait());
    }));
  }
  std::ranges::sort(times);
  print_row("resume of a suspended run, p99", times[times.size() * 99 / 100] * 1e3, "ms");
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  Machine machine;
  bench_nodes(machine, "process", Durability::kProcess, quick);
  bench_nodes(machine, "power", Durability::kPower, quick);
  bench_replay(machine, quick);
  bench_growing(machine);
  bench_suspended(machine, quick);
}
