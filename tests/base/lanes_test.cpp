#include "base/lanes.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

TEST_CASE("a lane of one thread runs tasks in the order of posting, all before it ends") {
  std::vector<int> seen;
  {
    Lane lane({.name = "test"});
    for (int i = 0; i < 1000; ++i) REQUIRE(lane.post([&seen, i] { seen.push_back(i); }));
  }
  REQUIRE(seen.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a full queue refuses, and a task that was refused never runs") {
  std::promise<void> started;
  std::promise<void> release;
  std::atomic<int> ran{0};
  {
    Lane lane({.name = "small", .queue_max = 2});
    REQUIRE(lane.post([&] {
      started.set_value();
      release.get_future().wait();
    }));
    started.get_future().wait();
    REQUIRE(lane.post([&] { ++ran; }));
    REQUIRE(lane.post([&] { ++ran; }));
    const auto refused = lane.post([&] { ran += 100; });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kResourceExhausted);
    CHECK(refused.error().message.find("lane small is full: 2 tasks") != std::string::npos);
    release.set_value();
  }
  CHECK(ran == 2);
}

TEST_CASE("what a task throws becomes an Error, and the lane goes on") {
  std::vector<std::string> failures;
  bool after = false;
  {
    Lane lane({.name = "test", .on_failure = [&](std::string_view name, const Error& error) {
                 failures.push_back(std::string(name) + ": " + error.message);
                 throw 1;  // dropped
               }});
    REQUIRE(lane.post([] { throw std::runtime_error("oops"); }));
    REQUIRE(lane.post([] { throw 42; }));
    REQUIRE(lane.post([&] { after = true; }));
  }
  CHECK(failures ==
        std::vector<std::string>{"test: a callback threw: oops",
                                 "test: a callback threw something that is no exception"});
  CHECK(after);
}

TEST_CASE("an empty task is refused") {
  Lane lane({.name = "test"});
  CHECK(lane.post({}).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a task may post; what is posted while the lane closes is refused, not lost in silence") {
  std::atomic<int> accepted{0};
  std::atomic<int> ran{0};
  {
    Lane lane({.name = "test", .threads = 2, .queue_max = 100'000});
    for (int i = 0; i < 100; ++i) {
      REQUIRE(lane.post([&] {
        for (int k = 0; k < 10; ++k) {
          const auto posted = lane.post([&] { ++ran; });
          if (posted) ++accepted;
        }
      }));
    }
  }
  CHECK(ran == accepted);
}

TEST_CASE("many threads may post to the three lanes, which hand work to one another") {
  std::atomic<int> finished{0};
  {
    Lanes lanes({.cpu_threads = 2, .io_threads = 2, .queue_max = 100'000});
    std::vector<std::thread> threads;
    std::atomic<int> pending{400};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          (void)lanes.io().post([&] {
            (void)lanes.model().post([&] {
              (void)lanes.cpu().post([&] {
                ++finished;
                --pending;
              });
            });
          });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    while (pending > 0) std::this_thread::yield();
  }
  CHECK(finished == 400);
}

}  // namespace
}  // namespace weft
