#include "base/timers.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

TEST_CASE("virtual time jumps from task to task, ties in the order of setting") {
  VirtualTime time;
  const SteadyTime start = time.steady_now();
  std::vector<std::string> seen;
  time.at(start + 2h, [&] { seen.emplace_back("c"); });
  time.at(start + 1h, [&] {
    seen.emplace_back("a");
    time.at(start, [&] { seen.emplace_back("past"); });  // now, behind what is set for now
  });
  time.at(start + 1h, [&] { seen.emplace_back("b"); });
  const auto taken_back = time.at(start + 3h, [&] { seen.emplace_back("never"); });
  CHECK(time.cancel(taken_back));
  CHECK_FALSE(time.cancel(taken_back));
  CHECK(time.step());
  CHECK(time.steady_now() == start + 1h);
  time.run();
  CHECK(seen == std::vector<std::string>{"a", "b", "past", "c"});
  CHECK(time.steady_now() == start + 2h);
  CHECK(to_rfc3339(time.unix_now()) == "2026-01-01T02:00:00Z");
  CHECK_FALSE(time.step());
}

TEST_CASE("real timers run in the order of their times, not before them") {
  std::promise<void> done;
  std::vector<int> seen;
  std::vector<std::chrono::nanoseconds> early;
  SystemTimers timers;
  const SteadyTime start = timers.clock().steady_now();
  const auto task = [&](int number, SteadyTime when) {
    return [&, number, when] {
      seen.push_back(number);
      if (timers.clock().steady_now() < when) early.push_back(when - timers.clock().steady_now());
      if (number == 3) done.set_value();
    };
  };
  timers.at(start + 6ms, task(3, start + 6ms));
  timers.at(start + 2ms, task(1, start + 2ms));
  const auto taken_back = timers.at(start + 3ms, task(9, start));
  timers.at(start + 4ms, task(2, start + 4ms));
  CHECK(timers.cancel(taken_back));
  done.get_future().wait();
  CHECK(seen == std::vector<int>{1, 2, 3});
  CHECK(early.empty());
}

TEST_CASE(
    "what a timer's task throws is told, and the rest go on; the future is dropped at the end") {
  std::promise<std::string> failed;
  std::promise<void> after;
  bool dropped_ran = false;
  {
    SystemTimers timers([&](std::string_view where, const Error& error) {
      failed.set_value(std::string(where) + ": " + error.message);
    });
    timers.at(timers.clock().steady_now(), [] { throw std::runtime_error("oops"); });
    timers.at(timers.clock().steady_now(), [&] { after.set_value(); });
    timers.at(timers.clock().steady_now() + 1h, [&] { dropped_ran = true; });
    after.get_future().wait();
  }
  CHECK(failed.get_future().get() == "timers: a callback threw: oops");
  CHECK_FALSE(dropped_ran);
}

TEST_CASE("threads set and cancel timers together, and each task runs once or was taken back") {
  std::atomic<int> ran{0};
  std::atomic<int> taken_back{0};
  {
    SystemTimers timers;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          const auto id = timers.at(timers.clock().steady_now() + 50us, [&] { ++ran; });
          if (i % 2 == 0 && timers.cancel(id)) ++taken_back;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::promise<void> last;
    timers.at(timers.clock().steady_now() + 1ms, [&] { last.set_value(); });
    last.get_future().wait();
  }
  CHECK(ran + taken_back == 800);
}

}  // namespace
}  // namespace weft
