#include "inference/sampler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>

#include "base/random.h"
#include "inference/cpu/vector_kernels.h"

namespace weft::inference {
namespace {

// The kernels give the same bits at every level, so the fastest one is always right.
const cpu::VectorKernels& kernels() noexcept { return cpu::vector_kernels(cpu::best_level()); }

/// A uniform number in [0, 1): Philox-4x32-10 with the seed as key and the step as counter.
double uniform(std::uint64_t seed, std::uint64_t step) noexcept {
  const auto c =
      philox4x32({static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32), 0, 0},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const std::uint64_t bits = (std::uint64_t{c[1]} << 32) | c[0];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

struct Candidate {
  float logit;
  TokenId id;
};

bool more_probable(const Candidate& a, const Candidate& b) noexcept {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// The k most probable, most probable first: a heap of the best so far, whose worst is on top, and
/// almost all of a vocabulary fails the first comparison.
std::vector<Candidate> best(std::span<const float> logits, std::size_t k) {
  k = std::min(k, logits.size());
  std::vector<Candidate> heap;
  if (k == 0) return heap;
  heap.reserve(k);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const Candidate candidate{logits[i], static_cast<TokenId>(i)};
    if (heap.size() < k) {
      heap.push_back(candidate);
      std::ranges::push_heap(heap, more_probable);
    } else if (candidate.logit > heap.front().logit) {
      std::ranges::pop_heap(heap, more_probable);
      heap.back() = candidate;
      std::ranges::push_heap(heap, more_probable);
    }
  }
  std::ranges::sort_heap(heap, more_probable);
  return heap;
}

/// All with a logit of at least `least`, most probable first.
std::vector<Candidate> above(std::span<const float> logits, float least) {
  std::vector<Candidate> found;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] >= least) found.push_back({logits[i], static_cast<TokenId>(i)});
  }
  std::ranges::sort(found, more_probable);
  return found;
}

/// e^(logit - max) of each candidate; the first is the most probable.
std::vector<float> weights_of(std::span<const Candidate> candidates, float temperature) {
  const float max = candidates.front().logit;
  std::vector<float> weights(candidates.size());
  std::ranges::transform(candidates, weights.begin(),
                         [&](const Candidate& c) { return (c.logit - max) / temperature; });
  kernels().exponentiate(weights.data(), weights.size());
  return weights;
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p, double total) {
  const std::vector<float> weights = weights_of(candidates, 1);
  double sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += static_cast<double>(weights[i]);
    if (sum >= static_cast<double>(top_p) * total) {
      candidates.resize(i + 1);
      return;
    }
  }
}

TokenId draw(std::span<const Candidate> candidates, float temperature, double u) {
  const std::vector<float> weights = weights_of(candidates, temperature);
  double total = 0;
  for (const float weight : weights) total += static_cast<double>(weight);
  double rest = u * total;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    rest -= static_cast<double>(weights[i]);
    if (rest < 0) return candidates[i].id;
  }
  return candidates.front().id;  // rounding left a little over: the most probable takes it
}

/// A draw from all tokens, in the order of their ids: no candidates, no sort. Two passes over parts
/// of the row that fit a small buffer.
TokenId draw_from_all(std::span<const float> logits, float temperature, float max, double u,
                      TokenId fallback) {
  constexpr std::size_t kPart = 1024;
  std::array<float, kPart> weights;
  const auto fill = [&](std::size_t begin) {
    const auto part = logits.subspan(begin, std::min(kPart, logits.size() - begin));
    std::ranges::transform(part, weights.begin(),
                           [&](float logit) { return (logit - max) / temperature; });
    kernels().exponentiate(weights.data(), part.size());
    return std::span(weights).first(part.size());
  };
  const auto sum_of = [](std::span<const float> values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value);
    return sum;
  };
  std::vector<double> sums;
  sums.reserve(logits.size() / kPart + 1);
  double total = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kPart) {
    sums.push_back(sum_of(fill(begin)));
    total += sums.back();
  }
  double rest = u * total;
  for (std::size_t part = 0; part < sums.size(); ++part) {
    if (rest >= sums[part]) {
      rest -= sums[part];
      continue;
    }
    const auto here = fill(part * kPart);
    for (std::size_t i = 0; i < here.size(); ++i) {
      rest -= static_cast<double>(here[i]);
      if (rest < 0) return static_cast<TokenId>(part * kPart + i);
    }
  }
  return fallback;  // rounding left a little over, or the logits aren't numbers
}

}  // namespace

Result<void> validate(const SamplingOptions& options) {
  const auto refuse = [](const char* field, float value, const char* range) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(field) + " is " + std::to_string(value) + "; it must be " + range};
  };
  if (!(options.temperature >= 0) || std::isinf(options.temperature)) {
    return refuse("temperature", options.temperature, "finite and at least 0");
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    return refuse("top_p", options.top_p, "above 0 and at most 1");
  }
  if (!(options.min_p >= 0 && options.min_p < 1)) {
    return refuse("min_p", options.min_p, "at least 0 and below 1");
  }
  return {};
}

Softmax::Softmax(std::span<const float> logits) noexcept : logits_(logits) {
  assert(!logits.empty());
  const std::size_t first = kernels().argmax(logits.data(), logits.size());
  most_likely_ = static_cast<TokenId>(first);
  max_ = logits[first];
}

double Softmax::sum() noexcept {
  if (!sum_) sum_ = kernels().sum_of_exponentials(logits_.data(), logits_.size(), max_);
  return *sum_;
}

float Softmax::log_probability(TokenId id) noexcept {
  const float logit = logits_[static_cast<std::size_t>(id)];
  return static_cast<float>(static_cast<double>(logit - max_) - std::log(sum()));
}

TokenId Softmax::sample(const SamplingOptions& options, std::uint64_t step) {
  if (options.temperature == 0) return most_likely_;
  const bool cuts_k = options.top_k != 0 && options.top_k < logits_.size();
  if (!cuts_k && options.top_p == 1 && options.min_p == 0) {
    return draw_from_all(logits_, options.temperature, max_, uniform(options.seed, step),
                         most_likely_);
  }
  std::vector<Candidate> candidates;
  double total = 0;
  if (cuts_k) {
    candidates = best(logits_, options.top_k);
    for (const float weight : weights_of(candidates, 1)) total += static_cast<double>(weight);
  } else {
    // No sort of the vocabulary: tokens below (1 - top_p) / n of the mass hold less than 1 - top_p
    // of it together, so none of them can be needed to reach top_p; min_p cuts further.
    total = sum();
    // A little lower than exact, for the rounding of the logarithm and of the sum.
    constexpr float kSlack = 0.01F;
    float least = -INFINITY;
    if (options.min_p > 0) least = max_ + std::log(options.min_p) - kSlack;
    if (options.top_p < 1) {
      const double floor =
          (1 - static_cast<double>(options.top_p)) * total / static_cast<double>(logits_.size());
      least = std::max(least, max_ + static_cast<float>(std::log(floor)) - kSlack);
    }
    candidates = above(logits_, least);
    if (candidates.empty()) return most_likely_;  // only if the logits aren't numbers
  }
  if (options.top_p < 1) keep_top_p(candidates, options.top_p, total);
  if (options.min_p > 0) {
    const std::vector<float> weights = weights_of(candidates, 1);
    const auto kept = std::ranges::find_if(weights, [&](float w) { return w < options.min_p; });
    candidates.resize(static_cast<std::size_t>(kept - weights.begin()));
  }
  if (candidates.empty()) return most_likely_;
  return draw(candidates, options.temperature, uniform(options.seed, step));
}

TokenId sample(std::span<const float> logits, const SamplingOptions& options, std::uint64_t step) {
  return Softmax(logits).sample(options, step);
}

float log_probability(std::span<const float> logits, TokenId id) noexcept {
  return Softmax(logits).log_probability(id);
}

std::vector<TokenProbability> top_log_probabilities(std::span<const float> logits, std::size_t k) {
  std::vector<TokenProbability> result;
  const std::vector<Candidate> candidates = best(logits, k);
  if (candidates.empty()) return result;
  const float max = candidates.front().logit;
  const double log_sum = std::log(kernels().sum_of_exponentials(logits.data(), logits.size(), max));
  result.reserve(candidates.size());
  for (const Candidate& c : candidates) {
    result.push_back({c.id, static_cast<float>(static_cast<double>(c.logit - max) - log_sum)});
  }
  return result;
}

}  // namespace weft::inference
