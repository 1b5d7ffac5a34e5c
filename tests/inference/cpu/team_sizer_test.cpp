#include "inference/cpu/team_sizer.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using weft::inference::cpu::TeamSizer;

TEST_CASE("a team that rarely waits stays together") {
  TeamSizer sizer(2);
  TeamSizer::Time now = 0ms;
  for (int run = 0; run < 1000; ++run) {
    REQUIRE(sizer.next(now) == 2);
    now += 5ms;
    sizer.ran(now, 5ms, 1ms);
  }
}

TEST_CASE("two threads are given up when more than half of the time is waiting") {
  // 5 ms with 2.4 ms of waiting are 2.6 ms of work each: 5.2 ms for one thread.
  TeamSizer pays(2);
  pays.ran(10ms, 5ms, 2400us);
  CHECK(pays.next(10ms) == 2);
  TeamSizer does_not(2);
  does_not.ran(10ms, 5ms, 2600us);
  CHECK(does_not.next(10ms) == 1);
  CHECK(does_not.next(29ms) == 1);
  CHECK(does_not.next(30ms) == 2);  // after kAloneMin it is tried again
}

TEST_CASE("four threads are given up when more than three quarters are waiting") {
  TeamSizer pays(4);
  pays.ran(10ms, 8ms, 5900us);
  CHECK(pays.next(10ms) == 4);
  TeamSizer does_not(4);
  does_not.ran(10ms, 8ms, 6100us);
  CHECK(does_not.next(10ms) == 1);
}

TEST_CASE("short runs are judged together") {
  TeamSizer sizer(2);
  for (int run = 0; run < 3; ++run) sizer.ran(1ms, 1ms, 1ms);
  CHECK(sizer.next(1ms) == 2);  // 3 ms are too few to say
  sizer.ran(1ms, 1ms, 1ms);
  CHECK(sizer.next(1ms) == 1);
}

TEST_CASE("the longer the load lasts, the rarer the team is tried, and at least once a second") {
  TeamSizer sizer(2);
  TeamSizer::Time now = 0ms;
  for (const auto alone : {20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1000ms, 1000ms}) {
    sizer.ran(now, 5ms, 4ms);
    CHECK(sizer.next(now + alone - 1ms) == 1);
    now += alone;
    CHECK(sizer.next(now) == 2);
  }
  // Good runs shorten it step by step.
  sizer.ran(now, 5ms, 0ms);
  sizer.ran(now, 5ms, 0ms);
  sizer.ran(now, 5ms, 0ms);
  sizer.ran(now, 5ms, 4ms);  // 1000 / 8 * 2
  CHECK(sizer.next(now + 249ms) == 1);
  CHECK(sizer.next(now + 250ms) == 2);
}
