#include "inference/weights/merge_rules.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace weft::inference {
namespace {

float threshold_of(std::span<const float> values, double density) {
  MagnitudeThreshold threshold(density);
  threshold.count(values.first(values.size() / 2));  // in pieces
  threshold.count(values.subspan(values.size() / 2));
  threshold.choose();
  threshold.refine(values);
  return threshold.threshold();
}

TEST_CASE("the threshold is the smallest of the largest magnitudes") {
  const std::vector<float> values = {0.5F, -3, 2, 0, -0.1F, 1, -2, 0.25F, 4, -5};
  CHECK(threshold_of(values, 0.2) == 4);
  CHECK(threshold_of(values, 0.3) == 3);
  CHECK(threshold_of(values, 0.21) == 3);  // rounded up
  CHECK(threshold_of(values, 0.4) == 2);   // both of magnitude 2 are kept
  CHECK(threshold_of(values, 1) == 0);
  Random random(1);
  std::vector<float> many(5000);
  for (float& value : many) value = static_cast<float>(random.normal());
  std::vector<float> sorted;
  for (const float value : many) sorted.push_back(std::abs(value));
  std::ranges::sort(sorted, std::greater());
  CHECK(threshold_of(many, 0.2) == sorted[999]);
  CHECK(std::isinf(MagnitudeThreshold(0.5).threshold()));
}

TEST_CASE("DARE keeps the share that it should, and the mean") {
  constexpr std::size_t kCount = 100'000;
  DropMask mask(7, "blk.0.attn_q.weight", 0.9);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double delta = mask.keep_or_drop(2, i);
    REQUIRE((delta == 0 || delta == Approx(20)));
    kept += delta != 0 ? 1 : 0;
  }
  const double sigma = std::sqrt(0.1 * 0.9 * kCount);
  CHECK(std::abs(static_cast<double>(kept) - 0.1 * kCount) < 3 * sigma);

  // Over 200 seeds each place's mean is its difference: 3 sigma of a mean of 200 is 0.64.
  std::vector<double> sums(50);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    DropMask other(seed, "t", 0.9);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += other.keep_or_drop(1, i);
  }
  double mean = 0;
  for (const double sum : sums) {
    CHECK(std::abs(sum / 200 - 1) < 0.85);  // 4 sigma: fifty places are looked at
    mean += sum / 200 / static_cast<double>(sums.size());
  }
  CHECK(std::abs(mean - 1) < 0.09);  // 3 sigma of a mean of 10,000
}

TEST_CASE("what is dropped depends on seed, tensor and place, on nothing else") {
  DropMask forwards(1, "a", 0.5);
  std::vector<double> all;
  for (std::uint64_t i = 0; i < 64; ++i) all.push_back(forwards.keep_or_drop(1, i));
  DropMask backwards(1, "a", 0.5);
  for (std::uint64_t i = 64; i-- > 0;) REQUIRE(backwards.keep_or_drop(1, i) == all[i]);
  const auto differs = [&](DropMask mask) {
    for (std::uint64_t i = 0; i < 64; ++i) {
      if (mask.keep_or_drop(1, i) != all[i]) return true;
    }
    return false;
  };
  CHECK(differs(DropMask(2, "a", 0.5)));
  CHECK(differs(DropMask(1, "b", 0.5)));
  CHECK_FALSE(differs(DropMask(1, "a", 0.5)));
  CHECK(DropMask(1, "a", 0).keep_or_drop(0.1, 3) == 0.1);
}

TEST_CASE("TIES by hand: signs are elected, those that agree are averaged") {
  const std::vector<double> equal = {1, 1, 1};
  const std::vector<double> deltas = {4, -3, 2};
  CHECK(elected_sign(deltas, equal) == 1);
  CHECK(mean_of_sign(deltas, equal, 1) == 3);
  CHECK(mean_of_sign(deltas, equal, -1) == -3);
  CHECK(elected_sign(std::vector<double>{1, -3, 0}, equal) == -1);
  CHECK(mean_of_sign(std::vector<double>{0, -3, 0}, equal, -1) == -3);  // zeros don't dilute
  CHECK(elected_sign(std::vector<double>{1, -1, 0}, equal) == 0);
  CHECK(mean_of_sign(std::vector<double>{0, 0, 0}, equal, 1) == 0);
  const std::vector<double> weights = {1, 3, 1};
  CHECK(elected_sign(deltas, weights) == -1);
  CHECK(mean_of_sign(std::vector<double>{4, 2, -1}, weights, 1) == 2.5);
}

TEST_CASE("VaRM's shares are those of the mean squares") {
  CHECK(varm_shares(std::vector<double>{4, 1, 3}) == std::vector{0.5, 0.125, 0.375});
  CHECK(varm_shares(std::vector<double>{4, 0}) == std::vector{0.5, 0.5});
  CHECK(varm_shares(std::vector<double>{0, 0, 0, 0}) == std::vector(4, 0.25));
}

}  // namespace
}  // namespace weft::inference
