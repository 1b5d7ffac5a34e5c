// A search through integers, and what it finds; A5.

#include "planner/tune.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "planner/cost_model.h"
#include "planner/tune_models.h"

namespace weft::planner {
namespace {

std::vector<std::int64_t> up_to(std::int64_t n) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 1);
  return all;
}

TEST_CASE("A5: the sizes that tuning finds are those of the closed forms") {
  constexpr double kProblem = 1e6;
  const auto tuned = [&](auto cost) {
    const auto tuning = tune({.sizes = up_to(5000)}, {}, [&](const Setting& s) -> Result<Outcome> {
      const auto m = static_cast<double>(s.size);
      return Outcome{.cost = kProblem / m * cost(m)};
    });
    return static_cast<double>(tuning->front.front().setting.size);
  };
  const CallCost quadratic{.quadratic = 1, .prompt = 400};
  const CallCost call{.overhead = 0.3,
                      .prefill = 1e-4,
                      .quadratic = 1e-6,
                      .decode = 5e-3,
                      .prompt = 400,
                      .output = 25};
  const double plain = tuned([&](double m) { return call_cost(quadratic, m); });
  const double whole = tuned([&](double m) { return call_cost(call, m); });
  const double shared = tuned([&](double m) { return call_cost_shared(call, m); });
  const CountingTask task{.n = 200,
                          .call = {.seconds = 1, .seconds_a_unit = 0.02},
                          .sd = [](std::int64_t) { return 1.0; }};
  const auto timed = tune({.sizes = up_to(200), .workers = {4}}, {.cost = {}},
                          [&](const Setting& s) -> Result<Outcome> { return evaluate(task, s); });
  const auto fast = static_cast<double>(timed->fastest()->setting.size);
  std::cout << "A5: m* " << plain << " (closed form " << best_size(quadratic) << "), with overhead "
            << whole << " (" << best_size(call) << "), shared " << shared << " ("
            << best_size_shared(call) << "), latency " << fast << " (50)\n";
  CHECK(std::abs(plain - best_size(quadratic)) <= 1);
  CHECK(std::abs(whole - best_size(call)) <= 1);
  CHECK(std::abs(shared - best_size_shared(call)) <= 1);
  CHECK(shared < whole);
  CHECK(std::abs(fast - 50) <= 1);
  CHECK(timed->fastest()->outcome.seconds == Approx(2));
}

TEST_CASE("windows that overlap by half: 2 n / (p + 1) is fastest") {
  const NeedleTask task{.n = 10'000,
                        .call = {.seconds = 1, .seconds_a_unit = 0.0005},
                        .recall = [](std::int64_t) { return 0.9; }};
  const auto seconds = [&](std::int64_t m) {
    return evaluate(task, {.size = m, .overlap_percent = 50, .workers = 4}).seconds;
  };
  // The table of spec/planner.md 1.2.
  CHECK(seconds(10'000) == Approx(6));
  CHECK(seconds(5000) == Approx(3.5));
  CHECK(seconds(4000) == Approx(3));
  CHECK(seconds(2500) == Approx(4.5));
  const auto tuning = tune({.sizes = up_to(10'000), .overlaps_percent = {50}, .workers = {4}}, {},
                           [&](const Setting& s) -> Result<Outcome> { return evaluate(task, s); });
  CHECK(tuning->fastest()->setting.size == 4000);
}

TEST_CASE("a model that also invents answers has its best size inside") {
  // Recall falls with size, false alarms come with each chunk.
  const NeedleTask task{.n = 10'000,
                        .call = {.seconds = 1},
                        .recall = [](std::int64_t m) { return std::exp(-double(m) / 8000); },
                        .false_alarm = [](std::int64_t) { return 0.02; }};
  const auto tuning = tune({.sizes = sizes_worth_trying(10'000, 10'000)}, {},
                           [&](const Setting& s) -> Result<Outcome> { return evaluate(task, s); });
  const std::int64_t best = tuning->most_right()->setting.size;
  CHECK(best > 200);
  CHECK(best < 5000);
  // Votes drive out false alarms, and cost as many times as much.
  const Outcome once = evaluate(task, {.size = best});
  const Outcome thrice = evaluate(task, {.size = best, .votes = 3});
  CHECK(thrice.calls == 3 * once.calls);
  CHECK(thrice.error < once.error);
}

TEST_CASE("counting: more votes, less noise; a bias stays") {
  CountingTask task{.n = 640, .call = {}, .sd = [](std::int64_t) { return 1.0; }};
  CHECK(evaluate(task, {.size = 10}).error == Approx(6.383).epsilon(0.001));
  CHECK(evaluate(task, {.size = 10, .votes = 4}).error == Approx(6.383 / 2).epsilon(0.001));
  task.bias = [](std::int64_t) { return 0.5; };
  task.sd = [](std::int64_t) { return 0.0; };
  CHECK(evaluate(task, {.size = 10, .votes = 4}).error == Approx(32));
}

TEST_CASE("the front is what no setting beats, and every other is beaten") {
  const NeedleTask task{.n = 3000,
                        .call = {.seconds = 0.5, .seconds_a_unit = 0.001, .prompt_tokens = 200},
                        .recall = [](std::int64_t m) { return 1 / (1 + double(m) / 5000); },
                        .false_alarm = [](std::int64_t) { return 0.01; }};
  const SearchSpace space{.sizes = {100, 250, 500, 1000, 3000},
                          .overlaps_percent = {0, 50},
                          .workers = {1, 2, 4},
                          .votes = {1, 3, 5}};
  std::vector<Candidate> all;
  const auto tuning = tune(space, {}, [&](const Setting& s) -> Result<Outcome> {
    all.push_back({s, evaluate(task, s)});
    return all.back().outcome;
  });
  REQUIRE(tuning);
  CHECK(tuning->tried == 90);
  CHECK(tuning->within == 90);
  const auto beats = [](const Outcome& a, const Outcome& b) {
    return a.cost <= b.cost && a.seconds <= b.seconds && a.error <= b.error &&
           (a.cost < b.cost || a.seconds < b.seconds || a.error < b.error);
  };
  for (const Candidate& one : all) {
    const bool is_beaten = std::ranges::any_of(
        all, [&](const Candidate& other) { return beats(other.outcome, one.outcome); });
    const bool is_there = std::ranges::any_of(tuning->front, [&](const Candidate& kept) {
      return kept.outcome.cost == one.outcome.cost && kept.outcome.seconds == one.outcome.seconds &&
             kept.outcome.error == one.outcome.error;
    });
    CHECK(is_beaten != is_there);
  }

  const double limit = tuning->cheapest()->outcome.error / 2;
  const auto bounded = tune(space, {.error = limit},
                            [&](const Setting& s) -> Result<Outcome> { return evaluate(task, s); });
  CHECK(bounded->within < 90);
  for (const Candidate& kept : bounded->front) CHECK(kept.outcome.error <= limit);
  const auto nothing = tune(space, {.error = -1},
                            [&](const Setting& s) -> Result<Outcome> { return evaluate(task, s); });
  CHECK(nothing->front.empty());
  CHECK(nothing->cheapest() == nullptr);
}

TEST_CASE("the sizes worth trying contain the best of all") {
  Random random(9);
  for (int i = 0; i < 300; ++i) {
    const auto n = static_cast<std::int64_t>(1 + random.below(400));
    const double each = random.uniform();
    const double unit = random.uniform() * 0.05;
    const auto p = static_cast<std::int64_t>(1 + random.below(6));
    const auto time = [&](std::int64_t m) {
      return latency(parts(n, m), p, each + unit * static_cast<double>(m));
    };
    const auto sizes = sizes_worth_trying(n, n);
    CHECK(double(sizes.size()) <= 2 * std::sqrt(double(n)) + 1);
    double best = time(sizes.front());
    for (const std::int64_t m : sizes) best = std::min(best, time(m));
    for (std::int64_t m = 1; m <= n; ++m) CHECK(best <= time(m) + 1e-12);
  }
  CHECK(sizes_worth_trying(10, 4) == std::vector<std::int64_t>{4, 3, 2, 1});
}

TEST_CASE("a tuning as text, JSON and a picture; what is refused") {
  const auto cost = [](const Setting& s) -> Result<Outcome> {
    if (s.size == 7) return Error{ErrorCode::kNetwork, "no"};
    return Outcome{.cost = 1.0 / double(s.size), .seconds = double(s.size), .error = 0.1};
  };
  const auto tuning = tune({.sizes = {1, 2, 4}}, {}, cost);
  REQUIRE(tuning->front.size() == 3);
  CHECK(tuning->front[0].setting.size == 4);  // by rising cost
  CHECK(tuning->text().find("3 settings tried, 3 within the target, 3 on the front") !=
        std::string::npos);
  CHECK(nlohmann::json::parse(tuning->json())["front"][0]["size"] == 4);
  const std::string svg = tuning->svg();
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.find("size 4, overlap 0 %") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK_FALSE(tune({.sizes = {}}, {}, cost));
  CHECK_FALSE(tune({.sizes = {0}}, {}, cost));
  CHECK_FALSE(tune({.overlaps_percent = {100}}, {}, cost));
  CHECK(tune({.sizes = up_to(2000), .votes = up_to(2000)}, {}, cost).error().code ==
        ErrorCode::kResourceExhausted);
  CHECK(tune({.sizes = {7}}, {}, cost).error().message ==
        "tuning, size 7, overlap 0 %, workers 1, votes 1: no");
}

}  // namespace
}  // namespace weft::planner
