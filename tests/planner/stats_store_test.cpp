// Statistics in a file that several runs add to.

#include "planner/stats_store.h"

#include <catch2/catch.hpp>
#include <thread>

#include "base/atomic_file.h"
#include "tests/fakes/temp_dir.h"

namespace weft::planner {
namespace {

StatsBook one_attempt() {
  StatsBook seen;
  seen.record({.function = "f", .path = "f"}, {.seconds = 1, .prompt_tokens = 7}, false);
  seen.control("m").counts.add(3);
  seen.add_run({.seconds = 2, .seconds_forecast = 1});
  return seen;
}

TEST_CASE("runs at the same time add to one another's statistics") {
  const test::TempDir folder;
  const auto path = folder.path() / "statistics.db";
  REQUIRE(StatsStore::open(path, true));
  constexpr int kThreads = 4;
  constexpr int kRuns = 10;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        auto store = StatsStore::open(path, true);
        for (int i = 0; store && i < kRuns; ++i) {
          if (!store->add("graph", one_attempt())) return;  // the count below is short then
        }
      });
    }
  }
  auto store = StatsStore::open(path, false);
  REQUIRE(store);
  const auto book = store->book("graph");
  REQUIRE(book);
  CHECK(book->find("f", "f").trials == kThreads * kRuns);
  CHECK(book->find("f", "f").done.items().size() == kThreads * kRuns);
  CHECK(book->find_control("m")->counts.seen() == kThreads * kRuns);
  CHECK(book->runs().size() == kThreads * kRuns);
  CHECK(store->book("another")->nodes().empty());
}

TEST_CASE("graphs that nobody runs any more make room, what is known of the machine stays") {
  const test::TempDir folder;
  auto store = StatsStore::open(folder.path() / "statistics.db", true);
  REQUIRE(store);
  StatsBook machine;
  machine.engine("m").prefill_tokens_per_s = 100;
  REQUIRE(store->add(kMachineScope, machine));
  for (int i = 0; i <= StatsStore::kBooksKept; ++i) {
    REQUIRE(store->add("graph " + std::to_string(i), one_attempt()));
  }
  CHECK(store->book("graph 0")->nodes().empty());
  CHECK_FALSE(store->book("graph 1")->nodes().empty());
  CHECK(store->book(kMachineScope)->find_engine("m")->prefill_tokens_per_s == 100);
}

TEST_CASE("a file of statistics that isn't one, or isn't there, is refused") {
  const test::TempDir folder;
  CHECK(StatsStore::open(folder.path() / "none.db", false).error().code == ErrorCode::kNotFound);
  const auto path = folder.path() / "text.db";
  REQUIRE(write_file_atomically(path, std::string(4096, 'x')));
  CHECK(StatsStore::open(path, true).error().code == ErrorCode::kCorrupt);
}

TEST_CASE("statistics are of a graph, whatever its budget and what it lets tune") {
  const std::string graph = R"({"format": "weft-graph-1", "about": "a", "nodes": [
    {"name": "parts", "kind": "split_blocks", "bytes_max": 10, "inputs": ["x"]},
    {"name": "m", "kind": "map", "over": "parts", "nodes": [{"name": "p", "kind": "llm", "samples": 3}]}],
    "tune": {"size": {"node": "parts", "option": "bytes_max", "values": [10]},
             "votes": {"node": "p", "option": "samples", "values": [3]}}})";
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = graph;
    text.replace(text.find(from), from.size(), to);
    return stats_scope(text);
  };
  CHECK(with("\"bytes_max\": 10", "\"bytes_max\": 99") == stats_scope(graph));
  CHECK(with("\"samples\": 3", "\"samples\": 5") == stats_scope(graph));
  CHECK(with("\"about\": \"a\"", "\"budget\": {\"calls\": 3}") == stats_scope(graph));
  CHECK(with("split_blocks", "split_lines") != stats_scope(graph));
  CHECK(with("\"node\": \"parts\"", "\"node\": \"m\"") != stats_scope(graph));
  CHECK(stats_scope("no JSON") != stats_scope("none"));
}

}  // namespace
}  // namespace weft::planner
