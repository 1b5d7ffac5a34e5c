#include "inference/cpu/level.h"

#include <catch2/catch.hpp>

using namespace weft::inference::cpu;

TEST_CASE("an empty name chooses the best level, a name that level") {
  CHECK(*choose_level("") == best_level());
  CHECK(*choose_level("scalar") == Level::kScalar);
  CHECK(*choose_level(to_string(best_level())) == best_level());
}

TEST_CASE("an unknown level is refused with the known ones") {
  const auto level = choose_level("sse9");
  REQUIRE(!level);
  CHECK(level.error().code == weft::ErrorCode::kInvalidArgument);
  CHECK(level.error().message == "unknown CPU level 'sse9'; use scalar, avx2 or avx512vnni");
}

TEST_CASE("a level beyond this CPU's is refused") {
  if (best_level() == Level::kAvx512Vnni) return;
  const auto level = choose_level("avx512vnni");
  REQUIRE(!level);
  CHECK(level.error().code == weft::ErrorCode::kUnsupported);
}
