#pragma once
// Choosing the next token from logits: greedy at temperature 0, else top-k, then top-p, then min-p,
// then temperature. Seeded and reproducible: the draw for (seed, step) is the same on any machine.
// Source: Holtzman et al. 2020 (top-p); Philox, Salmon et al. 2011.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/token.h"

namespace weft::inference {

struct SamplingOptions {
  float temperature = 0;  // >= 0; 0 is greedy, ties go to the lowest id
  std::size_t top_k = 0;  // 0 = all
  float top_p = 1;        // (0, 1]
  float min_p = 0;        // [0, 1): times the largest probability
  std::uint64_t seed = 0;

  friend bool operator==(const SamplingOptions&, const SamplingOptions&) = default;
};

/// Errors: kInvalidArgument names the field.
Result<void> validate(const SamplingOptions& options);

/// softmax(logits) of a vocabulary's row, borrowed and not empty. What a draw and a probability
/// both need is computed once, and not before.
class Softmax {
 public:
  explicit Softmax(std::span<const float> logits) noexcept;

  TokenId most_likely() const noexcept { return most_likely_; }  // the lowest id of equals
  /// The token for draw number `step`. `options` are valid.
  TokenId sample(const SamplingOptions& options, std::uint64_t step);
  /// ln p(id).
  float log_probability(TokenId id) noexcept;

 private:
  double sum() noexcept;  // of e^(logit - max)

  std::span<const float> logits_;
  TokenId most_likely_;
  float max_;
  std::optional<double> sum_;
};

/// The same for one question.
TokenId sample(std::span<const float> logits, const SamplingOptions& options, std::uint64_t step);
float log_probability(std::span<const float> logits, TokenId id) noexcept;

struct TokenProbability {
  TokenId id;
  float log_probability;
};
/// The k most probable tokens, most probable first, ties by id.
std::vector<TokenProbability> top_log_probabilities(std::span<const float> logits, std::size_t k);

}  // namespace weft::inference
