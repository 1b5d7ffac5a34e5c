#include "inference/cpu/thread_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

using weft::inference::cpu::Team;
using weft::inference::cpu::ThreadPool;

// The tests want all threads, whatever else the machine does.
constexpr weft::inference::cpu::ThreadPoolOptions kAll = {.yield_to_load = false};

TEST_CASE("run calls the body once on every thread and returns after all") {
  for (const std::size_t threads : {1U, 2U, 3U, 8U}) {
    ThreadPool pool(threads, kAll);
    REQUIRE(pool.size() == threads);
    std::vector<int> calls(threads, 0);
    for (int round = 0; round < 200; ++round) {
      pool.run([&](std::size_t thread, Team& team) {
        ++calls[thread];
        if (team.size() != threads) calls[thread] = -1000000;
      });
    }
    CHECK(calls == std::vector<int>(threads, 200));
  }
}

TEST_CASE("the caller is thread 0") {
  ThreadPool pool(2, kAll);
  std::thread::id first;
  pool.run([&](std::size_t thread, Team&) {
    if (thread == 0) first = std::this_thread::get_id();
  });
  CHECK(first == std::this_thread::get_id());
}

TEST_CASE("what a thread wrote before a barrier all see after it") {
  constexpr std::size_t kThreads = 4;  // more than many machines have: barriers must sleep too
  constexpr int kRounds = 500;
  ThreadPool pool(kThreads, kAll);
  std::vector<int> values(kThreads, 0);  // plain: a missing order is a race for ThreadSanitizer
  std::atomic<int> wrong{0};
  pool.run([&](std::size_t thread, Team& team) {
    for (int round = 1; round <= kRounds; ++round) {
      values[thread] = round;
      team.barrier();
      for (const int value : values) wrong += value != round;
      team.barrier();
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("threads share out loops: each part is one thread's, whatever came before") {
  for (const std::size_t threads : {1U, 2U, 4U}) {
    ThreadPool pool(threads, kAll);
    std::vector<std::vector<int>> calls;  // of each part of the loops between two barriers
    for (const std::size_t parts : {0U, 1U, 7U, 1000U}) calls.emplace_back(parts, 0);
    REQUIRE(calls.size() == Team::kLoopsMax);
    constexpr int kRuns = 20;
    constexpr int kRounds = 3;  // of a run, the last without a barrier behind it
    for (int run = 0; run < kRuns; ++run) {
      pool.run([&](std::size_t, Team& team) {
        for (int round = 0; round < kRounds; ++round) {
          if (round > 0) team.barrier();
          for (auto& loop : calls) {
            team.share_out(loop.size(), [&](std::size_t part) { ++loop[part]; });
          }
        }
      });
    }
    for (const auto& loop : calls) {
      CHECK(loop == std::vector<int>(loop.size(), kRuns * kRounds));
    }
  }
}

TEST_CASE("a thread that is slow gets fewer parts of a loop") {
  ThreadPool pool(2, kAll);
  std::vector<int> taken(2, 0);
  pool.run([&](std::size_t thread, Team& team) {
    team.share_out(100, [&](std::size_t) {
      ++taken[thread];
      std::this_thread::sleep_for(std::chrono::milliseconds(thread == 0 ? 20 : 1));
    });
  });
  CHECK(taken[0] + taken[1] == 100);
  CHECK(taken[0] < 50);
}

TEST_CASE("threads of different owners may use one pool") {
  ThreadPool pool(2, kAll);
  int total = 0;  // run() calls are serialised, so this needs no lock
  const auto use = [&] {
    for (int i = 0; i < 300; ++i) {
      pool.run([&](std::size_t thread, Team&) {
        if (thread == 0) ++total;
      });
    }
  };
  std::thread other(use);
  use();
  other.join();
  CHECK(total == 600);
}

TEST_CASE("a pool wakes up after its workers have gone to sleep") {
  ThreadPool pool(3, kAll);
  std::atomic<int> calls{0};
  for (int i = 0; i < 20; ++i) {
    pool.run([&](std::size_t, Team&) { ++calls; });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // beyond the time of spinning
  }
  CHECK(calls == 60);
}

TEST_CASE("zero threads mean one a physical core") { CHECK(ThreadPool(0).size() >= 1); }

TEST_CASE(
    "a team whose partner is always late is left for a while, unless all threads are asked for") {
  for (const bool yield_to_load : {true, false}) {
    ThreadPool pool(2, {.yield_to_load = yield_to_load});
    const auto run = [&] {
      std::size_t size = 0;
      pool.run([&](std::size_t thread, Team& team) {
        if (thread == 0) size = team.size();
        if (thread == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        team.barrier();
      });
      return size;
    };
    CHECK(run() == 2);
    CHECK(run() == (yield_to_load ? 1 : 2));  // soon after the verdict
    CHECK(pool.size() == 2);
  }
}
