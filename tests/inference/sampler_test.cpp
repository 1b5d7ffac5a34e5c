#include "inference/sampler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace weft::inference {
namespace {

std::vector<float> logs(std::vector<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<float> random_logits(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(n);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

/// The tokens that can be drawn, by the definition: sort everything, then cut.
std::set<TokenId> allowed(const std::vector<float>& logits, const SamplingOptions& options) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (options.top_k != 0) order.resize(std::min(order.size(), options.top_k));
  std::vector<double> p;
  for (const TokenId id : order) {
    p.push_back(std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                         static_cast<double>(logits[static_cast<std::size_t>(order[0])])));
  }
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  std::set<TokenId> result;
  double sum = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (sum >= static_cast<double>(options.top_p) * total && options.top_p < 1) break;
    sum += p[i];
    if (p[i] >= static_cast<double>(options.min_p)) result.insert(order[i]);
  }
  return result;
}

std::set<TokenId> drawn(const std::vector<float>& logits, const SamplingOptions& options,
                        std::uint64_t draws) {
  std::set<TokenId> result;
  for (std::uint64_t i = 0; i < draws; ++i) result.insert(sample(logits, options, i));
  return result;
}

TEST_CASE("temperature 0 takes the greatest logit, the lowest id of equals") {
  CHECK(sample(std::vector{1.0F, 3.0F, 3.0F, 2.0F}, {}, 0) == 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(sample(std::vector{nan, 3.0F, nan, 4.0F, 2.0F}, {}, 0) == 3);
  CHECK(sample(std::vector{nan, nan}, {}, 0) == 0);
  for (const std::size_t n : {1UL, 15UL, 16UL, 17UL, 1000UL}) {
    const auto logits = random_logits(n, static_cast<unsigned>(n));
    CHECK(sample(logits, {}, 0) == std::ranges::max_element(logits) - logits.begin());
  }
}

TEST_CASE("draws follow the probabilities") {
  const auto logits = logs({0.5, 0.25, 0.15, 0.1});
  std::vector<double> counts(4);
  const int draws = 20000;
  for (std::uint64_t i = 0; i < draws; ++i) {
    counts[static_cast<std::size_t>(sample(logits, {.temperature = 1, .seed = 7}, i))] +=
        1.0 / draws;
  }
  // Four standard deviations of a share of 0.5 in 20,000 draws are 0.014.
  CHECK(counts[0] == Approx(0.5).margin(0.014));
  CHECK(counts[1] == Approx(0.25).margin(0.014));
  CHECK(counts[2] == Approx(0.15).margin(0.014));
  CHECK(counts[3] == Approx(0.1).margin(0.014));
}

TEST_CASE("temperature 2 takes the square roots of the probabilities") {
  const auto logits = logs({0.8, 0.2});
  int first = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    first += sample(logits, {.temperature = 2, .seed = 1}, i) == 0 ? 1 : 0;
  }
  CHECK(first / 20000.0 == Approx(2.0 / 3).margin(0.014));  // sqrt(.8) / (sqrt(.8) + sqrt(.2))
}

TEST_CASE("top-k, top-p and min-p cut in this order") {
  const auto logits = logs({0.4, 0.3, 0.15, 0.1, 0.05});
  using Set = std::set<TokenId>;
  CHECK(drawn(logits, {.temperature = 1, .top_k = 2}, 500) == Set{0, 1});
  CHECK(drawn(logits, {.temperature = 1, .top_p = 0.69F}, 500) == Set{0, 1});
  CHECK(drawn(logits, {.temperature = 1, .top_p = 0.71F}, 500) == Set{0, 1, 2});
  CHECK(drawn(logits, {.temperature = 1, .min_p = 0.3F}, 500) == Set{0, 1, 2});
  // Of the best two, 0.4 is 57 % of the mass: top-p works on what top-k left.
  CHECK(drawn(logits, {.temperature = 1, .top_k = 2, .top_p = 0.55F}, 500) == Set{0});
  CHECK(drawn(logits, {.temperature = 1, .top_k = 1}, 50) == Set{0});
}

TEST_CASE("what can be drawn equals the definition with a full sort") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto logits = random_logits(200, seed);
    const SamplingOptions cases[] = {
        {.temperature = 100, .top_k = 17},
        {.temperature = 100, .top_p = 0.9F},
        {.temperature = 100, .min_p = 0.1F},
        {.temperature = 100, .top_k = 30, .top_p = 0.8F, .min_p = 0.02F}};
    for (const auto& options : cases) {
      CHECK(drawn(logits, options, 3000) == allowed(logits, options));
    }
  }
}

TEST_CASE("a draw depends on seed and step alone") {
  const auto logits = random_logits(1000, 3);
  const SamplingOptions options{.temperature = 1, .seed = 42};
  std::vector<TokenId> forward;
  for (std::uint64_t i = 0; i < 8; ++i) forward.push_back(sample(logits, options, i));
  for (std::uint64_t i = 8; i-- > 0;) CHECK(sample(logits, options, i) == forward[i]);
  CHECK(std::set<TokenId>(forward.begin(), forward.end()).size() > 1);
}

TEST_CASE("one Softmax answers each question as if it were the first") {
  const auto logits = random_logits(5000, 11);
  const SamplingOptions choices[] = {{},
                                     {.temperature = 1, .seed = 3},
                                     {.temperature = 0.7F, .top_k = 20, .seed = 3},
                                     {.temperature = 1, .top_p = 0.9F, .seed = 3},
                                     {.temperature = 1, .min_p = 0.05F, .seed = 3}};
  Softmax softmax(logits);
  for (std::uint64_t step = 0; step < 20; ++step) {
    for (const SamplingOptions& options : choices) {
      const TokenId id = softmax.sample(options, step);
      CHECK(id == sample(logits, options, step));
      CHECK(softmax.log_probability(id) == log_probability(logits, id));
    }
  }
  CHECK(softmax.most_likely() == sample(logits, {}, 0));
}

TEST_CASE("log-probabilities equal the definition in double") {
  for (const std::size_t n : {1UL, 5UL, 16UL, 1000UL, 5000UL}) {
    const auto logits = random_logits(n, static_cast<unsigned>(n));
    const float max = *std::ranges::max_element(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit - max));
    const auto expected = [&](TokenId id) {
      return static_cast<double>(logits[static_cast<std::size_t>(id)] - max) - std::log(sum);
    };
    for (TokenId id = 0; id < static_cast<TokenId>(n); id += 7) {
      CHECK(log_probability(logits, id) == Approx(expected(id)).margin(2e-6));
    }
    const auto top = top_log_probabilities(logits, 4);
    REQUIRE(top.size() == std::min<std::size_t>(4, n));
    for (std::size_t i = 0; i < top.size(); ++i) {
      CHECK(top[i].log_probability == Approx(expected(top[i].id)).margin(2e-6));
      if (i > 0) CHECK(top[i - 1].log_probability >= top[i].log_probability);
    }
  }
  const auto ties = top_log_probabilities(std::vector{1.0F, 2.0F, 2.0F, 1.0F}, 3);
  CHECK(ties[0].id == 1);
  CHECK(ties[1].id == 2);
  CHECK(ties[2].id == 0);
  CHECK(top_log_probabilities(std::vector{1.0F}, 0).empty());
}

TEST_CASE("options outside their range are refused by name") {
  const auto message = [](const SamplingOptions& options) {
    const auto result = validate(options);
    return result ? std::string() : result.error().message.substr(0, 6);
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(message({}).empty());
  CHECK(message({.temperature = -1}) == "temper");
  CHECK(message({.temperature = nan}) == "temper");
  CHECK(message({.top_p = 0}) == "top_p ");
  CHECK(message({.top_p = 1.5F}) == "top_p ");
  CHECK(message({.min_p = 1}) == "min_p ");
  CHECK(message({.min_p = -0.1F}) == "min_p ");
}

}  // namespace
}  // namespace weft::inference
