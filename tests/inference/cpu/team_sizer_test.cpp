#include "inference/cpu/team_sizer.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using weft::inference::cpu::TeamSizer;

TEST_CASE("a team whose threads work most of the time stays together") {
  TeamSizer sizer(2);
  TeamSizer::Time now = 0ms;
  for (int run = 0; run < 1000; ++run) {
    REQUIRE(sizer.next(now) == 2);
    now += 5ms;
    sizer.ran(now, 2, 5ms, 4ms);
  }
}

TEST_CASE("a team is given up when it does less than one thread could") {
  // 5 ms of which each of two threads works 2.6 ms: 5.2 ms for one thread.
  TeamSizer pays(2);
  pays.ran(10ms, 2, 5ms, 2600us);
  CHECK(pays.next(10ms) == 2);
  TeamSizer does_not(2);
  does_not.ran(10ms, 2, 5ms, 2400us);
  CHECK(does_not.next(10ms) == 1);
  CHECK(does_not.next(259ms) == 1);
  CHECK(does_not.next(260ms) == 2);  // after kAloneMin it is tried again
}

TEST_CASE("four threads have to work a quarter of the time each") {
  TeamSizer pays(4);
  pays.ran(10ms, 4, 8ms, 2100us);
  CHECK(pays.next(10ms) == 4);
  TeamSizer does_not(4);
  does_not.ran(10ms, 4, 8ms, 1900us);
  CHECK(does_not.next(10ms) == 1);
}

TEST_CASE("a team is compared with what one thread did when it was alone") {
  TeamSizer sizer(2);
  sizer.ran(10ms, 2, 5ms, 2ms);  // 0.8 of one thread
  REQUIRE(sizer.next(10ms) == 1);
  sizer.ran(200ms, 1, 100ms, 50ms);  // but one thread alone gets half a core only
  REQUIRE(sizer.next(260ms) == 2);
  sizer.ran(270ms, 2, 5ms, 2ms);
  CHECK(sizer.next(270ms) == 2);
}

TEST_CASE("short runs are judged together") {
  TeamSizer sizer(2);
  for (int run = 0; run < 3; ++run) sizer.ran(1ms, 2, 1ms, 0ms);
  CHECK(sizer.next(1ms) == 2);  // 3 ms are too few to say
  sizer.ran(1ms, 2, 1ms, 0ms);
  CHECK(sizer.next(1ms) == 1);
}

TEST_CASE("the longer the load lasts, the rarer the team is tried, at least every four seconds") {
  TeamSizer sizer(2);
  TeamSizer::Time now = 0ms;
  for (const auto alone : {250ms, 1000ms, 4000ms, 4000ms}) {
    sizer.ran(now, 2, 5ms, 1ms);
    CHECK(sizer.next(now + alone - 1ms) == 1);
    now += alone;
    CHECK(sizer.next(now) == 2);
  }
  sizer.ran(now, 2, 5ms, 5ms);  // a good run shortens it to a quarter
  sizer.ran(now, 2, 5ms, 1ms);
  CHECK(sizer.next(now + 3999ms) == 1);
  CHECK(sizer.next(now + 4000ms) == 2);
  for (int run = 0; run < 3; ++run) sizer.ran(now + 4000ms, 2, 5ms, 5ms);
  now += 4000ms;
  sizer.ran(now, 2, 5ms, 1ms);  // 4000 / 64 * 4
  CHECK(sizer.next(now + 249ms) == 1);
  CHECK(sizer.next(now + 250ms) == 2);
}

TEST_CASE("a team that was given up is on trial until it has paid once") {
  TeamSizer sizer(2);
  CHECK_FALSE(sizer.on_trial());
  sizer.ran(10ms, 2, 5ms, 2ms);
  CHECK(sizer.on_trial());
  sizer.ran(200ms, 1, 100ms, 100ms);  // runs of one thread don't change that
  CHECK(sizer.on_trial());
  sizer.ran(270ms, 2, 5ms, 2ms);  // the trial: 0.8 of one thread
  CHECK(sizer.on_trial());
  CHECK(sizer.next(270ms) == 1);
  sizer.ran(2s, 2, 5ms, 4ms);
  CHECK_FALSE(sizer.on_trial());
  CHECK(sizer.next(2s) == 2);
}
