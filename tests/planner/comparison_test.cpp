// A forecast beside what runs did.

#include "planner/comparison.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace weft::planner {
namespace {

using namespace std::chrono_literals;

Forecast ten_seconds() {
  Forecast forecast;
  forecast.seconds = {.mean = 10, .p10 = 8, .p90 = 12};
  forecast.prompt_tokens = {.mean = 100, .p10 = 100, .p90 = 100};
  forecast.calls = {.mean = 2, .p10 = 2, .p90 = 2};
  forecast.success = 0.9;
  return forecast;
}

Report took(std::chrono::nanoseconds time, std::int64_t tokens = 100) {
  return {.spent = {.prompt_tokens = tokens, .calls = 2}, .duration = time};
}

TEST_CASE("predicted and measured, a figure each") {
  const Comparison one = compare(ten_seconds(), took(8s), true);
  CHECK(one.seconds.is_inside());
  CHECK(one.seconds.error() == Approx(0.25));
  CHECK(one.prompt_tokens.error() == 0);
  CHECK(one.output_tokens.error() == 0);  // none predicted, none written
  const auto json = nlohmann::json::parse(one.json());
  CHECK(json["seconds"]["predicted"] == 10);
  CHECK(json["seconds"]["measured"] == 8);
  CHECK(json["seconds"]["interval_80"] == nlohmann::json({8, 12}));
  CHECK(json["success"]["measured"] == true);
  CHECK_FALSE(compare(ten_seconds(), took(13s), true).seconds.is_inside());
  CHECK(compare(ten_seconds(), took(0s), true).seconds.error() == 1);
}

TEST_CASE("a comparison is read back from its text, and nothing else is") {
  const Comparison one = compare(ten_seconds(), took(8s), true);
  const auto read = Comparison::from_json(one.json());
  REQUIRE(read);
  CHECK(read->json() == one.json());
  for (const char* wrong : {"", "[]", "{}", R"({"seconds": {"predicted": 1, "measured": "x"}})"}) {
    CHECK_FALSE(Comparison::from_json(wrong));
  }
}

TEST_CASE("many runs: coverage, errors, exactness, success") {
  const Forecast forecast = ten_seconds();
  const std::vector<Comparison> all{
      compare(forecast, took(8s), true), compare(forecast, took(10s), true),
      compare(forecast, took(20s, 101), true), compare(forecast, took(1s), false)};
  const ComparisonSummary summary = summarize(all);
  CHECK(summary.runs == 4);
  CHECK(summary.coverage == Approx(2.0 / 3));
  CHECK(summary.coverage_95.contains(0.8));
  CHECK(summary.median_error == Approx(0.25));  // 0, 0.25, 0.5
  CHECK(summary.exact_tokens == Approx(2.0 / 3));
  CHECK(summary.success_measured == Approx(0.75));
  CHECK(summary.success_predicted == Approx(0.9));
  CHECK(summarize({}).runs == 0);
}

}  // namespace
}  // namespace weft::planner
