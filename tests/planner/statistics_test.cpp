#include "planner/statistics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>

namespace weft::planner {
namespace {

TEST_CASE("Wilson's interval: worked examples") {
  // By hand: 8 of 10: middle (0.8 + 0.19207) / 1.38415 = 0.71674, half 0.22658.
  const Interval eight = wilson(8, 10);
  CHECK(eight.low == Approx(0.4902).margin(1e-4));
  CHECK(eight.high == Approx(0.9433).margin(1e-4));
  // Nothing failed in 20: from 1 / (1 + z^2 / 20) to 1.
  const Interval all = wilson(20, 20);
  CHECK(all.low == Approx(1 / (1 + kZ95 * kZ95 / 20)).margin(1e-9));
  CHECK(all.high == Approx(1.0));
  CHECK(wilson(0, 0) == Interval{0, 1});
}

TEST_CASE("Wilson's interval holds the true chance about 95 times in 100") {
  Random random(7);
  int held = 0;
  constexpr int kRepeats = 2000;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const double p = 0.05 + 0.9 * random.uniform();
    int successes = 0;
    for (int i = 0; i < 40; ++i) successes += random.chance(p) ? 1 : 0;
    held += wilson(successes, 40).contains(p) ? 1 : 0;
  }
  const double share = static_cast<double>(held) / kRepeats;
  std::cout << "Wilson: holds the chance in " << 100 * share << " % of " << kRepeats << "\n";
  CHECK(share == Approx(0.95).margin(0.015));
}

TEST_CASE("isotonic fit: worked examples") {
  CHECK(isotonic(std::vector<double>{1, 2, 3}) == std::vector<double>{1, 2, 3});
  // 3, 2 pool to 2.5; then 2.5 > 1 pools all three to 2.
  CHECK(isotonic(std::vector<double>{3, 2, 1, 5}) == std::vector<double>{2, 2, 2, 5});
  // Weighted: (1 * 4 + 3 * 2) / 4 = 2.5.
  CHECK(isotonic(std::vector<double>{1, 4, 2}, std::vector<double>{1, 1, 3}) ==
        std::vector<double>{1, 2.5, 2.5});
  CHECK(isotonic({}).empty());
}

TEST_CASE("isotonic fit is no farther from the values than any rising grid sequence") {
  Random random(11);
  const auto distance = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
  };
  constexpr int kGrid = 10;
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<double> values;
    for (int i = 0; i < 3; ++i) values.push_back(static_cast<double>(random.below(kGrid)));
    const double least = distance(isotonic(values), values);
    for (int a = 0; a < kGrid; ++a) {
      for (int b = a; b < kGrid; ++b) {
        for (int c = b; c < kGrid; ++c) {
          const std::vector<double> rising{double(a), double(b), double(c)};
          CHECK(least <= distance(rising, values) + 1e-9);
        }
      }
    }
  }
}

TEST_CASE("quantiles are linear between neighbours") {
  const std::vector<double> sorted{1, 2, 4};
  CHECK(quantile(sorted, 0) == 1);
  CHECK(quantile(sorted, 0.5) == 2);
  CHECK(quantile(sorted, 0.75) == Approx(3));
  CHECK(quantile(sorted, 1) == 4);
  CHECK(quantile({}, 0.5) == 0);
  const Spread spread = spread_of({4, 1, 1});
  CHECK(spread.mean == 2);
  CHECK(spread.sd == Approx(std::sqrt(3.0)));
  CHECK(spread.p50 == 1);
}

TEST_CASE("draws from Beta have its mean and variance") {
  Random random(3);
  for (const auto& [a, b] : {std::pair{0.5, 3.5}, std::pair{8.0, 2.0}}) {
    std::vector<double> draws;
    for (int i = 0; i < 20'000; ++i) draws.push_back(draw_beta(random, a, b));
    const Spread spread = spread_of(draws);
    CHECK(spread.mean == Approx(a / (a + b)).margin(0.005));
    CHECK(spread.sd == Approx(std::sqrt(a * b / ((a + b) * (a + b) * (a + b + 1)))).epsilon(0.03));
  }
}

}  // namespace
}  // namespace weft::planner
