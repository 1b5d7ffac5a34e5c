#include "base/random.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

namespace weft {
namespace {

TEST_CASE("Philox gives the known answers of its authors") {
  using Block = std::array<std::uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream begins with the words of its first block, low word first") {
  Random random(0, 0);
  CHECK(random.next() == 0xe169c58d6627e8d5);
  CHECK(random.next() == 0x9b00dbd8bc57ac4c);
  CHECK(Random(0, 0).uniform() ==
        static_cast<double>(0xe169c58d6627e8d5 >> 11) / 9007199254740992.0);
}

TEST_CASE("streams and seeds differ, copies agree") {
  Random a(1, 2);
  Random copy = a;
  CHECK(a.next() == copy.next());
  CHECK(Random(1, 2).next() != Random(1, 3).next());
  CHECK(Random(1, 2).next() != Random(2, 2).next());
  CHECK(Random::stream_of("") == 0xcbf29ce484222325);
  CHECK(Random::stream_of("a") == 0xaf63dc4c8601ec8c);  // FNV's own example
}

TEST_CASE("the distributions have their means and variances") {
  constexpr int kDraws = 200'000;
  Random random(7);
  double normal = 0;
  double normal_squared = 0;
  double exponential = 0;
  double logarithms = 0;
  std::vector<int> counts(6);
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    normal += x;
    normal_squared += x * x;
    exponential += random.exponential();
    logarithms += std::pow(std::log(random.lognormal(0.5)), 2);
    ++counts[random.below(6)];
  }
  // Five standard errors each: 1, sqrt 2, 1 and sqrt 2 / 4 over sqrt(draws).
  CHECK(normal / kDraws == Approx(0).margin(0.0112));
  CHECK(normal_squared / kDraws == Approx(1).margin(0.0159));
  CHECK(exponential / kDraws == Approx(1).margin(0.0112));
  CHECK(logarithms / kDraws == Approx(0.25).margin(0.004));
  for (const int count : counts) CHECK(count == Approx(kDraws / 6.0).margin(834));
  CHECK(random.below(0) == 0);
  CHECK(random.below(1) == 0);
}

}  // namespace
}  // namespace weft
