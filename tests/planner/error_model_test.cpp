// A6, A8, A9: the closed forms against numbers worked out by hand and against simulated graphs.

#include "planner/error_model.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "planner/graph.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Int = std::int64_t;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr int kRuns = 4'000;
#else
constexpr int kRuns = 100'000;
#endif

/// Five standard errors of a frequency found in kRuns draws, and never less than `least`.
double margin(double chance, double least) {
  return std::max(least, 5 * std::sqrt(chance * (1 - chance) / kRuns));
}

TEST_CASE("A6: errors of counting add up as their closed forms say, within 3 %") {
  CHECK(sum_error_unbiased(64, 1) == Approx(6.383).epsilon(0.001));  // sqrt(128 / pi)
  CHECK(sum_error_biased(64, -0.5) == 32);
  Random random(6);
  for (const Int k : {1, 4, 16, 64}) {
    constexpr int kTrials = 20'000;
    double absolute = 0;
    double biased = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      double sum = 0;
      double bound = 0;
      for (Int i = 0; i < k; ++i) {
        const double error = random.normal();
        sum += error;
        bound += std::abs(error);
      }
      REQUIRE(std::abs(sum) <= bound + 1e-9);
      absolute += std::abs(sum);
      biased += std::abs(sum + 0.5 * static_cast<double>(k));
    }
    const double found = absolute / kTrials;
    std::cout << "A6: k = " << k << ": " << found << ", closed form " << sum_error_unbiased(k, 1)
              << "\n";
    CHECK(found == Approx(sum_error_unbiased(k, 1)).epsilon(0.03));
    if (k == 64) CHECK(biased / kTrials == Approx(sum_error_biased(k, 0.5)).epsilon(0.03));
  }
}

TEST_CASE("all parts needed: exact where they are independent, at most the sum") {
  const std::vector<double> chances(11, 0.01);
  // 1 - 0.99^11 = 0.10466, at most 0.11.
  CHECK(any_fails(chances) == Approx(0.104662).epsilon(1e-5));
  CHECK(any_fails_bound(chances) == Approx(0.11));
  CHECK(any_fails_bound(std::vector<double>(3, 0.5)) == 1);
  CHECK(sum_error_bound(chances) == Approx(0.11));
}

/// k chunks, the first J with the needle; each answers 0 (right), its own number (wrong), or -1.
Program<bool> needle_graph(const NeedleSearch& search) {
  Graph g;
  const auto answers = g.map(
      "read",
      [search](Ctx& ctx, const Int& chunk) {
        if (chunk < search.with_needle)
          return ctx.random().chance(search.recall) ? Int{0} : Int{-1};
        return ctx.random().chance(search.false_alarm) ? chunk : Int{-1};
      },
      {}, g.input<std::vector<Int>>("chunks"));
  return *g.build(g.node(
      "vote",
      [](Ctx& ctx, const std::vector<Int>& given) {
        const auto right = std::count(given.begin(), given.end(), 0);
        const auto alarms = std::count_if(given.begin(), given.end(), [](Int a) { return a > 0; });
        if (right != 1) return right > 1;  // wrong answers differ, so each has one vote
        return ctx.random().below(static_cast<std::uint64_t>(alarms) + 1) == 0;
      },
      {}, answers));
}

TEST_CASE("A8: the needle's closed form is what a graph of readers and a vote does") {
  CHECK(needle_error({.recall = 0.9, .chunks = 1}) == Approx(0.1));
  CHECK(needle_error({.recall = 0.9, .chunks = 5, .with_needle = 2}) == Approx(0.01));
  // r = 1, J = 1, two others that always alarm: it wins one time of three.
  CHECK(needle_error({.recall = 1, .false_alarm = 1, .chunks = 3}) == Approx(2.0 / 3));
  const std::vector<NeedleSearch> settings = {
      {.recall = 0.95, .false_alarm = 0.02, .chunks = 8, .with_needle = 2},
      {.recall = 0.9, .false_alarm = 0.05, .chunks = 6},
      {.recall = 0.7, .false_alarm = 0.2, .chunks = 10, .with_needle = 2},
      {.recall = 0.8, .false_alarm = 0.5, .chunks = 8}};
  VirtualExecutor executor;
  Runtime runtime(executor);
  for (const NeedleSearch& search : settings) {
    const auto program = needle_graph(search);
    std::vector<Int> chunks(static_cast<std::size_t>(search.chunks));
    std::iota(chunks.begin(), chunks.end(), 0);
    const Inputs inputs = Inputs().set("chunks", chunks);
    int wrong = 0;
    for (int i = 0; i < kRuns; ++i) {
      const auto right = runtime.run(program, inputs, {.seed = static_cast<std::uint64_t>(i)});
      REQUIRE(right);
      if (!*right) ++wrong;
    }
    const double found = static_cast<double>(wrong) / kRuns;
    const double wanted = needle_error(search);
    std::cout << "A8: " << found << ", closed form " << wanted << "\n";
    CHECK(std::abs(found - wanted) <= margin(wanted, 0.005));
  }
}

TEST_CASE(
    "A8: spans up to the window less its stride are whole in some window; no needle, no answer") {
  Random random(8);
  for (int i = 0; i < 100'000; ++i) {
    const Int size = 2 + static_cast<Int>(random.below(60));
    const Int stride = (size + 1) / 2;
    const Int text = size + static_cast<Int>(random.below(400));
    const Int length = longest_whole_span(size);
    const Int begin = static_cast<Int>(random.below(static_cast<std::uint64_t>(text - length + 1)));
    bool whole = false;
    for (Int from = 0; !whole; from += stride) {
      whole = from <= begin && begin + length <= from + size;
      if (from + size >= text) break;
    }
    REQUIRE(whole);
  }
  CHECK(longest_whole_span(10) == 6);
  CHECK(longest_whole_span(7) == 4);
  CHECK(false_answer(3, 0.1) == Approx(0.271));
}

TEST_CASE("A9: facts of a retrieval: the paper's figures and a simulation") {
  CHECK(facts_error({.recall = 0.90, .facts = 6}) == Approx(0.0585).margin(5e-5));
  CHECK(facts_error({.recall = 0.95, .facts = 6}) == Approx(0.0149).margin(5e-5));
  CHECK(facts_error({.recall = 0.99, .facts = 6}) == Approx(0.0006).margin(5e-5));
  CHECK(facts_error({.recall = 1, .generator_error = 0.2}) == Approx(0.2));
  Random random(9);
  int wrong = 0;
  constexpr int kTrials = 200'000;
  for (int trial = 0; trial < kTrials; ++trial) {
    bool all = true;
    for (int fact = 0; fact < 6; ++fact) {
      const bool first = random.chance(0.9);
      const bool second = random.chance(0.9);
      all = all && (first || second);
    }
    if (!all) ++wrong;
  }
  std::cout << "A9: facts " << static_cast<double>(wrong) / kTrials << ", closed form 0.0585\n";
  CHECK(static_cast<double>(wrong) / kTrials == Approx(0.0585).margin(0.003));
}

TEST_CASE("A9: first to lead by 3") {
  CHECK(lead_by(3, 0.8).right == Approx(0.9846).margin(5e-5));
  CHECK(lead_by(3, 0.8).calls == Approx(4.846).margin(5e-4));
  CHECK(lead_by(3, 0.6).right == Approx(0.7714).margin(5e-5));
  CHECK(lead_by(3, 0.6).calls == Approx(8.143).margin(5e-4));
  CHECK(lead_by(3, 0.5).calls == 9);
  CHECK(lead_by(1, 1).right == 1);
  CHECK(lead_by(2, 0).calls == 2);
  Random random(9);
  constexpr int kTrials = 100'000;
  double right = 0;
  double calls = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    int lead = 0;
    for (; std::abs(lead) < 3; ++calls) lead += random.chance(0.8) ? 1 : -1;
    right += lead > 0 ? 1 : 0;
  }
  std::cout << "A9: lead by 3 at .8: " << right / kTrials << " right, " << calls / kTrials
            << " calls\n";
  CHECK(right / kTrials == Approx(lead_by(3, 0.8).right).margin(0.003));
  CHECK(calls / kTrials == Approx(lead_by(3, 0.8).calls).margin(0.1));
}

TEST_CASE("majorities and trees") {
  // Three voters at 0.8: 0.8^3 + 3 * 0.8^2 * 0.2.
  CHECK(majority_right(3, 0.8) == Approx(0.896));
  CHECK(majority_right(1, 0.8) == Approx(0.8));
  CHECK(majority_right(101, 0.5) == Approx(0.5));
  // 0.01 (1 + 2 + 4 + 8).
  CHECK(tree_error_bound(0.01, 2, 3) == Approx(0.15));
  CHECK(tree_error_bound(0.01, 2, 3, 0.5) == Approx(0.04));  // b S = 1: d + 1 levels of eps
  CHECK(tree_max_error_bound(0.01, 3) == Approx(0.04));
}

}  // namespace
}  // namespace weft::planner
