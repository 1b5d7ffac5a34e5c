// A7: merged blocks are no worse than the blocks, once each is in order.

#include "planner/sorted_blocks.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <numeric>

#include "base/random.h"

namespace weft::planner {
namespace {

TEST_CASE(
    "A7: with the projection no bound is broken, without it at least 1 % of the largest are") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
  constexpr int kProblems = 4'000;
#else
  constexpr int kProblems = 50'000;  // of 2 to 4 blocks: more than 100,000 of them
#endif
  constexpr double kRounding = 1e-12;
  Random random(7);
  int blocks_seen = 0;
  int broken = 0;
  int broken_without = 0;
  int drops_broken = 0;
  for (int problem = 0; problem < kProblems; ++problem) {
    std::vector<std::vector<double>> truth(2 + random.below(3));
    std::vector<std::vector<double>> noisy;
    std::vector<std::vector<double>> projected;
    Distance of_blocks;
    double drops_of_blocks = 0;
    for (auto& block : truth) {
      ++blocks_seen;
      block.resize(2 + random.below(6));
      for (double& value : block) value = random.uniform();
      block = in_order(block);
      noisy.push_back(block);
      for (double& value : noisy.back()) {
        if (random.chance(0.5)) value += 0.15 * random.normal();
      }
      projected.push_back(in_order(noisy.back()));
      const Distance one = distance(block, noisy.back());
      of_blocks.largest = std::max(of_blocks.largest, one.largest);
      of_blocks.sum += one.sum;
      drops_of_blocks += drops(noisy.back());
    }
    const auto sorted = merge_blocks(truth);
    REQUIRE(std::ranges::is_sorted(sorted));
    const auto merged = merge_blocks(projected);
    REQUIRE(std::ranges::is_sorted(merged));
    const Distance whole = distance(sorted, merged);
    if (whole.largest > of_blocks.largest + kRounding || whole.sum > of_blocks.sum + kRounding)
      ++broken;
    const auto unprojected = merge_blocks(noisy);
    if (distance(sorted, unprojected).largest > of_blocks.largest + kRounding) ++broken_without;
    if (drops(unprojected) > drops_of_blocks + kRounding) ++drops_broken;
  }
  std::cout << "A7: " << blocks_seen << " blocks: " << broken << " violations with the projection, "
            << 100.0 * broken_without / kProblems << " % without\n";
  CHECK(broken == 0);
  CHECK(broken_without >= kProblems / 100);
  CHECK(drops_broken == 0);
}

TEST_CASE("merging takes the least of the first elements, and loses none") {
  const std::vector<std::vector<double>> blocks{{1, 4}, {}, {2, 0, 5}};
  CHECK(merge_blocks(blocks) == std::vector<double>{1, 2, 0, 4, 5});
  CHECK(drops(std::vector<double>{1, 2, 0, 4, 3}) == 3);
  CHECK(in_order({3, 1, 2}) == std::vector<double>{1, 2, 3});
  const auto found = distance(std::vector<double>{1, 2}, std::vector<double>{2, 4});
  CHECK(found.largest == 2);
  CHECK(found.sum == 3);
}

}  // namespace
}  // namespace weft::planner
