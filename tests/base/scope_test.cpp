#include "base/scope.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <limits>
#include <thread>
#include <vector>

#include "tests/fakes/manual_clock.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

Scope::Options tokens_at_most(std::int64_t tokens) { return {.limit = {.tokens = tokens}}; }

TEST_CASE("a reservation counts until it is settled, and the rest comes back") {
  const test::ManualClock clock;
  Scope scope(clock, {.limit = {.tokens = 100, .money_micros = 50}});
  auto reservation = scope.reserve({.tokens = 80, .money_micros = 10});
  REQUIRE(reservation);
  CHECK(scope.reserved() == Spend{.tokens = 80, .money_micros = 10});
  CHECK(*scope.remaining().tokens == 20);
  CHECK_FALSE(scope.remaining().calls);
  const auto second = scope.reserve({.tokens = 21});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kResourceExhausted);
  CHECK(second.error().message ==
        "the budget has no room for 21 more tokens: 80 of 100 are used or reserved");
  REQUIRE(reservation->settle({.tokens = 30, .money_micros = 10}));
  CHECK(scope.spent() == Spend{.tokens = 30, .money_micros = 10});
  CHECK(scope.reserved() == Spend{});
  CHECK(*scope.remaining().tokens == 70);
  CHECK(reservation->settle({}).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a reservation that is dropped or refunded costs nothing") {
  const test::ManualClock clock;
  Scope scope(clock, tokens_at_most(10));
  { REQUIRE(scope.reserve({.tokens = 10})); }
  auto reservation = scope.reserve({.tokens = 10});
  REQUIRE(reservation);
  Reservation moved = *std::move(reservation);
  moved.refund();
  moved.refund();
  CHECK(scope.reserve({.tokens = 10}));
  CHECK(scope.spent() == Spend{});
}

TEST_CASE("a child's reservation needs room in every parent") {
  const test::ManualClock clock;
  Scope root(clock, tokens_at_most(100));
  Scope child(root, tokens_at_most(1000));
  Scope grandchild(child);
  CHECK(*grandchild.remaining().tokens == 100);
  CHECK_FALSE(grandchild.reserve({.tokens = 101}));
  CHECK(child.reserved() == Spend{});  // all or nothing
  auto reservation = grandchild.reserve({.tokens = 60});
  REQUIRE(reservation);
  CHECK(root.reserved().tokens == 60);
  REQUIRE(reservation->settle({.tokens = 50}));
  CHECK(root.spent().tokens == 50);
  CHECK(child.spent().tokens == 50);
  CHECK(*child.remaining().tokens == 50);
}

TEST_CASE("using more than was reserved is charged where it fits, and told where it doesn't") {
  const test::ManualClock clock;
  Scope root(clock, tokens_at_most(100));
  Scope child(root);
  auto fits = child.reserve({.tokens = 10});
  REQUIRE(fits);
  REQUIRE(fits->settle({.tokens = 90}));
  CHECK(root.spent().tokens == 90);
  auto too_much = child.reserve({.tokens = 5});
  REQUIRE(too_much);
  const auto settled = too_much->settle({.tokens = 20});
  REQUIRE_FALSE(settled);
  CHECK(settled.error().code == ErrorCode::kResourceExhausted);
  CHECK(root.spent().tokens == 95);
  CHECK(root.overrun().tokens == 15);
  CHECK(child.overrun().tokens == 15);
  CHECK(root.reserved() == Spend{});
}

TEST_CASE("negative amounts are refused, and huge ones don't wrap") {
  const test::ManualClock clock;
  Scope limited(clock, tokens_at_most(10));
  CHECK(limited.reserve({.tokens = -1}).error().code == ErrorCode::kInvalidArgument);
  CHECK(limited.reserve({.time = -1ns}).error().code == ErrorCode::kInvalidArgument);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  auto one = limited.reserve({.tokens = 1});
  CHECK_FALSE(limited.reserve({.tokens = kMax}));
  Scope free(clock);
  auto first = free.reserve({.tokens = kMax});
  auto second = free.reserve({.tokens = kMax});
  REQUIRE(second);
  CHECK(free.reserved().tokens == kMax);
}

TEST_CASE("the deadline of a child is the earlier one") {
  test::ManualClock clock;
  const SteadyTime start = clock.steady_now();
  Scope root(clock, {.deadline = start + 10s});
  Scope later(root, {.deadline = start + 20s});
  Scope earlier(root, {.deadline = start + 5s});
  CHECK(later.deadline() == start + 10s);
  clock.advance(5s);
  CHECK(root.check());
  CHECK(earlier.check().error().code == ErrorCode::kDeadlineExceeded);
  CHECK(earlier.reserve({.tokens = 1}).error().code == ErrorCode::kDeadlineExceeded);
  clock.advance(5s);
  CHECK(later.check().error().code == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a stop reaches children, and not parents") {
  const test::ManualClock clock;
  std::stop_source outside;
  Scope root(clock, {.stop = outside.get_token()});
  Scope child(root);
  Scope sibling(root);
  child.request_stop();
  CHECK(child.check().error().code == ErrorCode::kCancelled);
  CHECK(child.stop_token().stop_requested());
  CHECK(root.check());
  CHECK(sibling.check());
  outside.request_stop();
  CHECK(root.check().error().code == ErrorCode::kCancelled);
  CHECK(sibling.reserve({}).error().code == ErrorCode::kCancelled);
}

TEST_CASE("threads that reserve together never get more than the limit") {
  const test::ManualClock clock;
  Scope root(clock, tokens_at_most(1000));
  std::atomic<std::int64_t> granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Scope child(root, tokens_at_most(400));
      for (int i = 0; i < 500; ++i) {
        auto reservation = child.reserve({.tokens = 3});
        if (!reservation) continue;
        if (i % 5 == 0) continue;  // refunded
        if (reservation->settle({.tokens = 2})) granted += 2;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(root.spent().tokens == granted);
  CHECK(granted <= 1000);
  CHECK(granted >= 990);
  CHECK(root.reserved() == Spend{});
}

}  // namespace
}  // namespace weft
