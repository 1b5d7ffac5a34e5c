// A5: the sizes of sub-tasks that cost least.

#include "planner/cost_model.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/random.h"

namespace weft::planner {
namespace {

/// The integer m up to n with the least (n / m) cost(m).
template <typename Cost>
std::int64_t brute_force(std::int64_t n, Cost cost) {
  std::int64_t best = 1;
  double least = cost(1.0);
  for (std::int64_t m = 2; m <= n; ++m) {
    const double total = cost(static_cast<double>(m)) / static_cast<double>(m);
    if (total < least) {
      least = total;
      best = m;
    }
  }
  return best;
}

TEST_CASE("A5: quadratic prefill alone is cheapest at m = L") {
  for (const double prompt : {400.0, 120.0}) {
    const CallCost call{.quadratic = 1, .prompt = prompt};
    CHECK(best_size(call) == Approx(prompt));
    CHECK(brute_force(5000, [&](double m) { return call_cost(call, m); }) == std::llround(prompt));
  }
}

TEST_CASE("A5: with overhead and decoding, the closed forms are within 1 of trying each size") {
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    const CallCost call{.overhead = random.uniform() * 0.2,
                        .prefill = random.uniform() * 1e-3,
                        .quadratic = (0.5 + random.uniform()) * 1e-6,
                        .decode = random.uniform() * 1e-2,
                        .prompt = std::floor(random.uniform() * 600),
                        .output = std::floor(random.uniform() * 100)};
    const double whole = best_size(call);
    const double shared = best_size_shared(call);
    INFO("m* " << whole << ", shared " << shared);
    CHECK(std::abs(brute_force(5000, [&](double m) { return call_cost(call, m); }) - whole) <= 1);
    if (shared >= 1) {
      CHECK(std::abs(brute_force(5000, [&](double m) { return call_cost_shared(call, m); }) -
                     shared) <= 1);
    }
    if (call.prompt > 0) CHECK(shared < whole);
  }
}

TEST_CASE("parts, windows and rounds") {
  CHECK(parts(200, 67) == 3);
  CHECK(windows(10'000, 4'000, 2'000) == 4);
  CHECK(windows(10, 20, 10) == 1);
  CHECK(latency(5, 4, 1.8) == Approx(3.6));
}

TEST_CASE("A5: the size with the least latency is found among full rounds") {
  CHECK(best_size_for_latency(200, 4, 1, 0.02) == 50);  // one round of n / p
  Random random(55);
  for (int i = 0; i < 3000; ++i) {
    const auto n = static_cast<std::int64_t>(1 + random.below(300));
    const auto p = static_cast<std::int64_t>(1 + random.below(8));
    const double t0 = random.uniform();
    const double t1 = random.uniform() * 0.05;
    const auto time = [&](std::int64_t m) {
      return latency(parts(n, m), p, t0 + t1 * static_cast<double>(m));
    };
    double least = time(1);
    for (std::int64_t m = 2; m <= n; ++m) least = std::min(least, time(m));
    CHECK(time(best_size_for_latency(n, p, t0, t1)) == Approx(least).epsilon(1e-12));
  }
}

}  // namespace
}  // namespace weft::planner
