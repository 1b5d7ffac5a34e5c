// Forecasts set right by how far off earlier ones were.

#include "planner/calibration.h"

#include <catch2/catch.hpp>
#include <iostream>

#include "base/random.h"

namespace weft::planner {
namespace {

TEST_CASE("of a calibrated interval, 80 % of the next runs are inside") {
  Random random(1);
  int inside = 0;
  constexpr int kTrials = 4000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> ratios;
    for (int i = 0; i < 19; ++i) ratios.push_back(3 * random.lognormal(0.7));
    const Spread spread = scaled(10, ratios);
    const double next = 10 * 3 * random.lognormal(0.7);
    inside += spread.p10 <= next && next <= spread.p90 ? 1 : 0;
  }
  std::cout << "calibrated by 19 runs, the interval holds " << 100.0 * inside / kTrials << " %\n";
  // From the 2nd to the 18th of 19: 16 of the 20 places where the next may fall.
  CHECK(inside / double(kTrials) == Approx(0.8).margin(0.02));
}

TEST_CASE("few runs leave a forecast as it is, more make it what they were") {
  Forecast forecast;
  forecast.seconds = {.mean = 1, .sd = 0.1, .p10 = 0.9, .p50 = 1, .p90 = 1.1};
  forecast.output_tokens = {.mean = 20, .p10 = 20, .p50 = 20, .p90 = 20};
  StatsBook book;
  for (std::size_t i = 0; i < kCalibrationRunsMin - 1; ++i) {
    book.add_run({.seconds = 4, .seconds_forecast = 2, .output_tokens = 10});
  }
  book.add_run({.seconds = 4});  // without a forecast it says nothing
  CHECK(calibrate(forecast, book).seconds == forecast.seconds);
  CHECK(calibrate(forecast, book).calibrated_by == 0);
  book.add_run({.seconds = 8, .seconds_forecast = 4});
  const Forecast made = calibrate(forecast, book);
  CHECK(made.calibrated_by == std::int64_t(kCalibrationRunsMin));
  CHECK(made.seconds.p10 == Approx(2));  // all took twice their forecast
  CHECK(made.seconds.p90 == Approx(2));
  CHECK(made.output_tokens == forecast.output_tokens);
}

}  // namespace
}  // namespace weft::planner
