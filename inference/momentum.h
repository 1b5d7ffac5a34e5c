#pragma once
// Momentum decoding: greedy search that leaves a circle of repeated n-grams. Of the few likeliest
// tokens it takes that with the highest probability less a resistance, which grows with the length
// of the n-gram that the token would repeat. Source: Lan et al. 2022 (Momentum Decoding:
// Open-ended Text Generation As Graph Exploration), section 4.

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/logits_processor.h"
#include "inference/token.h"

namespace weft::inference {

struct MomentumOptions {
  std::size_t k = 5;   // candidates
  float alpha = 0.2F;  // how much resistance counts beside probability
  /// By the length of the repeated n-gram, 0 for a new token; of longer ones it is infinite.
  std::vector<float> resistance = {0, 1, 2, 3, 4, 5};
};

/// The length, at most `most`, of the longest n-gram that ends in `next`, the token after `tokens`,
/// and stood in `tokens` before. O(tokens * most).
std::size_t repeated_length(std::span<const TokenId> tokens, TokenId next, std::size_t most);

/// A step that makes scores of the logits, for greedy sampling: what else may be drawn is far below
/// the candidates, and candidates without a limit of resistance below that. It needs all logits, so
/// masks come after it. Errors: kInvalidArgument for k = 0, no resistance, an alpha that isn't
/// finite and >= 0.
Result<std::shared_ptr<const LogitsProcessor>> momentum(MomentumOptions options = {});

}  // namespace weft::inference
