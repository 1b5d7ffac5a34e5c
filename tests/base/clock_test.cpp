#include "base/clock.h"

#include <catch2/catch.hpp>

#include "tests/fakes/manual_clock.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

TEST_CASE("times are written as RFC 3339 in UTC") {
  CHECK(to_rfc3339(UnixTime{}) == "1970-01-01T00:00:00Z");
  CHECK(to_rfc3339(UnixTime(951'827'696s)) == "2000-02-29T12:34:56Z");
  CHECK(to_rfc3339(UnixTime(1'999ms)) == "1970-01-01T00:00:01Z");
  CHECK(to_rfc3339(UnixTime(-1s)) == "1969-12-31T23:59:59Z");
}

TEST_CASE("a manual clock moves when it is told to") {
  test::ManualClock clock;
  const SteadyTime start = clock.steady_now();
  CHECK(to_rfc3339(clock.unix_now()) == "2026-01-01T00:00:00Z");
  clock.advance(90s);
  CHECK(clock.steady_now() - start == 90s);
  CHECK(to_rfc3339(clock.unix_now()) == "2026-01-01T00:01:30Z");
}

TEST_CASE("the system's clock runs") {
  const SystemClock clock;
  const SteadyTime before = clock.steady_now();
  CHECK(clock.steady_now() >= before);
  CHECK(clock.unix_now() > UnixTime(1'700'000'000s));
}

}  // namespace
}  // namespace weft
