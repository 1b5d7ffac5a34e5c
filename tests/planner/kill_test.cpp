// A11: runs whose process is killed at any instant, and again while they are resumed.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/lanes.h"
#include "base/random.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "tests/fakes/temp_dir.h"

namespace weft::planner {
namespace {

using Int = std::int64_t;
using Ints = std::vector<Int>;

constexpr Int kElements = 100;

/// What happened in the world: a line a call, which no kill undoes.
class World {
 public:
  explicit World(std::filesystem::path path) : path_(std::move(path)) {}

  void note(const std::string& line) const {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string whole = line + "\n";
    if (::write(file, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) {
      std::abort();
    }
    ::close(file);
  }
  std::map<std::string, int> counts() const {
    std::map<std::string, int> counts;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) ++counts[line];
    return counts;
  }

 private:
  std::filesystem::path path_;
};

/// 300 nodes: for each element one that is pure, one that may be called once, one idempotent.
Program<Int> program(const World& world) {
  Graph g;
  const auto done = g.map_each("each", g.input<Ints>("list"), [&](Graph& inside, Out<Int> element) {
    const auto read = inside.node(
        "read",
        [world](Ctx& ctx, const Int& n) {
          world.note(ctx.path());
          return n * 2;
        },
        {}, element);
    const auto pay = inside.node(
        "pay",
        [world](Ctx& ctx, const Int& n) {
          world.note(ctx.path());
          return n + 1;
        },
        {.effect = Effect::kOnce}, read);
    return inside.node(
        "tell",
        [world](Ctx& ctx, const Int& n) {
          world.note(ctx.path());
          return n * 10;
        },
        {.effect = Effect::kIdempotent}, pay);
  });
  return *g.build(g.node(
      "sum",
      [](Ctx&, const Ints& all) {
        Int sum = 0;
        for (const Int n : all) sum += n;
        return sum;
      },
      {}, done));
}

constexpr Int kSum = 10 * (kElements * (kElements - 1) + kElements);

/// The process that is killed: begins the run, or goes on with it. A person looks into the world
/// where the trace doesn't know whether a payment was made.
[[noreturn]] void work(const std::filesystem::path& trace_path, const World& world) {
  SystemTimers timers;
  Lanes lanes(Lanes::Options{.cpu_threads = 2, .queue_max = 10'000});
  ThreadExecutor executor(lanes, timers);
  Runtime runtime(executor);
  const auto trace = Trace::open(trace_path, {});
  if (!trace) std::_Exit(2);
  const auto graph = program(world);
  const RunOptions options{.trace = trace->get()};
  const auto runs = (*trace)->runs();
  if (!runs) std::_Exit(3);
  Result<Value> value = Error{ErrorCode::kInternal, ""};
  if (runs->empty()) {
    Ints list;
    for (Int i = 0; i < kElements; ++i) list.push_back(i);
    auto run = runtime.start(graph, Inputs().set<Ints>("list", list), options);
    value = run ? run->wait_value() : Result<Value>(run.error());
  } else {
    const auto happened = world.counts();
    Resumption person;
    for (Int i = 0; i < kElements; ++i) {
      const std::string path = "each[" + std::to_string(i) + "]/pay";
      if (happened.contains(path)) {
        person.given[path] = make_value<Int>(i * 2 + 1);
      } else {
        person.redo.insert(path);
      }
    }
    auto run = runtime.resume(graph, runs->front().id, person, options);
    // Killed between the last row and the run's end, it is done or nearly so.
    value = run ? run->wait_value() : Result<Value>(run.error());
  }
  if (!value) {
    std::cerr << value.error().message << "\n";
    std::_Exit(4);
  }
  std::_Exit(value->as<Int>() == kSum ? 0 : 5);
}

TEST_CASE("A11: no kill loses a result or makes a call twice") {
  // WEFT_TEST_KILLS: more of them, for a longer look.
  const char* wanted = std::getenv("WEFT_TEST_KILLS");
  const int kills_wanted = wanted != nullptr ? std::atoi(wanted) : 200;
  Random random(11);
  int kills = 0;
  int runs = 0;
  std::chrono::nanoseconds whole{20'000'000};  // of a run, as it turned out
  while (kills < kills_wanted) {
    ++runs;
    const test::TempDir folder;
    const auto trace_path = folder / "trace.db";
    const World world(folder / "world");
    std::map<std::string, int> calls_when_done;
    while (true) {
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) work(trace_path, world);
      const auto begin = std::chrono::steady_clock::now();
      const auto until = begin + random.uniform() * whole;
      int status = 0;
      pid_t ended = 0;
      while (ended == 0 && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        ended = ::waitpid(child, &status, WNOHANG);
      }
      if (ended == 0) {
        ::kill(child, SIGKILL);
        ended = ::waitpid(child, &status, 0);
      }
      REQUIRE(ended == child);
      if (WIFEXITED(status)) {
        REQUIRE(WEXITSTATUS(status) == 0);
        whole = (std::chrono::steady_clock::now() - begin) * 3 / 2;
        break;
      }
      ++kills;
      whole += whole / 20;  // so that each run ends at last
      // What the trace says is done was called as often as it will ever be.
      const auto counts = world.counts();
      const auto trace = Trace::open(trace_path, {});
      REQUIRE(trace);
      const auto found = (*trace)->runs();
      REQUIRE(found);
      if (found->empty()) continue;
      REQUIRE(found->size() == 1);
      if (found->front().status == RunStatus::kDone) break;
      CHECK(found->front().status == RunStatus::kInterrupted);
      const auto events = (*trace)->events(found->front().id);
      REQUIRE(events);
      for (const TraceEvent& event : *events) {
        if (event.kind != TraceEvent::Kind::kDone || event.path == "sum") continue;
        const auto [known, is_new] = calls_when_done.emplace(
            event.path, counts.contains(event.path) ? counts.at(event.path) : 0);
        if (!is_new && known->second != counts.at(event.path)) FAIL(event.path << " ran again");
      }
    }
    const auto counts = world.counts();
    CHECK(counts.size() == 3 * kElements);
    for (const auto& [path, count] : counts) {
      const auto done = calls_when_done.find(path);
      if (done != calls_when_done.end() && count != done->second) FAIL(path << " ran again");
      if (path.ends_with("/pay") && count != 1) FAIL(path << " was called " << count << " times");
    }
  }
  std::cout << "A11: " << kills << " kills of " << runs
            << " runs: every result kept, no call of class once made twice\n";
}

}  // namespace
}  // namespace weft::planner
