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

Scope::Options tokens_at_most(std::int64_t tokens) { return {.limit = {.output_tokens = tokens}}; }

TEST_CASE("a reservation counts until it is settled, and the rest comes back") {
  const test::ManualClock clock;
  Scope scope(clock, {.limit = {.output_tokens = 100, .money_micros = 50}});
  auto reservation = scope.reserve({.output_tokens = 80, .money_micros = 10});
  REQUIRE(reservation);
  CHECK(scope.reserved() == Spend{.output_tokens = 80, .money_micros = 10});
  CHECK(*scope.remaining().output_tokens == 20);
  CHECK_FALSE(scope.remaining().calls);
  const auto second = scope.reserve({.output_tokens = 21});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kResourceExhausted);
  CHECK(second.error().message ==
        "the budget has no room for 21 more output tokens: 80 of 100 are used or reserved");
  REQUIRE(reservation->settle({.output_tokens = 30, .money_micros = 10}));
  CHECK(scope.spent() == Spend{.output_tokens = 30, .money_micros = 10});
  CHECK(scope.reserved() == Spend{});
  CHECK(*scope.remaining().output_tokens == 70);
  CHECK(reservation->settle({}).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("prompt tokens and output tokens have limits of their own") {
  const test::ManualClock clock;
  Scope scope(clock, {.limit = {.prompt_tokens = 100, .output_tokens = 10}});
  auto reservation = scope.reserve({.prompt_tokens = 100, .output_tokens = 4});
  REQUIRE(reservation);
  CHECK(scope.reserve({.prompt_tokens = 1}).error().message ==
        "the budget has no room for 1 more prompt tokens: 100 of 100 are used or reserved");
  CHECK(scope.reserve({.output_tokens = 6}));
  REQUIRE(reservation->settle({.prompt_tokens = 70, .output_tokens = 3}));
  CHECK(*scope.remaining().prompt_tokens == 30);
  CHECK(*scope.remaining().output_tokens == 7);
}

TEST_CASE("a reservation that is dropped or refunded costs nothing") {
  const test::ManualClock clock;
  Scope scope(clock, tokens_at_most(10));
  { REQUIRE(scope.reserve({.output_tokens = 10})); }
  auto reservation = scope.reserve({.output_tokens = 10});
  REQUIRE(reservation);
  Reservation moved = *std::move(reservation);
  moved.refund();
  moved.refund();
  CHECK(scope.reserve({.output_tokens = 10}));
  CHECK(scope.spent() == Spend{});
}

TEST_CASE("a child's reservation needs room in every parent") {
  const test::ManualClock clock;
  Scope root(clock, tokens_at_most(100));
  Scope child(root, tokens_at_most(1000));
  Scope grandchild(child);
  CHECK(*grandchild.remaining().output_tokens == 100);
  CHECK_FALSE(grandchild.reserve({.output_tokens = 101}));
  CHECK(child.reserved() == Spend{});  // all or nothing
  auto reservation = grandchild.reserve({.output_tokens = 60});
  REQUIRE(reservation);
  CHECK(root.reserved().output_tokens == 60);
  REQUIRE(reservation->settle({.output_tokens = 50}));
  CHECK(root.spent().output_tokens == 50);
  CHECK(child.spent().output_tokens == 50);
  CHECK(*child.remaining().output_tokens == 50);
}

TEST_CASE("using more than was reserved is charged where it fits, and told where it doesn't") {
  const test::ManualClock clock;
  Scope root(clock, tokens_at_most(100));
  Scope child(root);
  auto fits = child.reserve({.output_tokens = 10});
  REQUIRE(fits);
  REQUIRE(fits->settle({.output_tokens = 90}));
  CHECK(root.spent().output_tokens == 90);
  auto too_much = child.reserve({.output_tokens = 5});
  REQUIRE(too_much);
  const auto settled = too_much->settle({.output_tokens = 20});
  REQUIRE_FALSE(settled);
  CHECK(settled.error().code == ErrorCode::kResourceExhausted);
  CHECK(root.spent().output_tokens == 95);
  CHECK(root.overrun().output_tokens == 15);
  CHECK(child.overrun().output_tokens == 15);
  CHECK(root.reserved() == Spend{});
}

TEST_CASE("what is charged without a reservation counts, after a stop too") {
  const test::ManualClock clock;
  Scope root(clock, tokens_at_most(10));
  Scope child(root);
  root.request_stop();
  REQUIRE(child.charge({.output_tokens = 8}));
  CHECK(root.spent().output_tokens == 8);
  CHECK(child.charge({.output_tokens = 3}).error().code == ErrorCode::kResourceExhausted);
  CHECK(root.overrun().output_tokens == 3);
  CHECK(child.charge({.calls = -1}).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("negative amounts are refused, and huge ones don't wrap") {
  const test::ManualClock clock;
  Scope limited(clock, tokens_at_most(10));
  CHECK(limited.reserve({.output_tokens = -1}).error().code == ErrorCode::kInvalidArgument);
  CHECK(limited.reserve({.time = -1ns}).error().code == ErrorCode::kInvalidArgument);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  auto one = limited.reserve({.output_tokens = 1});
  CHECK_FALSE(limited.reserve({.output_tokens = kMax}));
  Scope free(clock);
  auto first = free.reserve({.output_tokens = kMax});
  auto second = free.reserve({.output_tokens = kMax});
  REQUIRE(second);
  CHECK(free.reserved().output_tokens == kMax);
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
  CHECK(earlier.reserve({.output_tokens = 1}).error().code == ErrorCode::kDeadlineExceeded);
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
        auto reservation = child.reserve({.output_tokens = 3});
        if (!reservation) continue;
        if (i % 5 == 0) continue;  // refunded
        if (reservation->settle({.output_tokens = 2})) granted += 2;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(root.spent().output_tokens == granted);
  CHECK(granted <= 1000);
  CHECK(granted >= 990);
  CHECK(root.reserved() == Spend{});
}

}  // namespace
}  // namespace weft
