#pragma once
// Which tokens of a long prompt matter, as an early layer of the model sees it: the layers up to
// it read the prompt, the last token's queries score all others, and only the best are then read by
// the whole model, from position 0 on. Source: Shi et al. 2024 (GemFilter), algorithm 1.

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "inference/model.h"
#include "inference/token.h"

namespace weft::inference {

struct GemFilterOptions {
  std::size_t layer = 0;    // r, which still runs: 13 of Llama 3.1 8B's 32 in the paper
  std::size_t keep = 1024;  // k: tokens to keep
  std::size_t pool = 5;     // positions over which scores are averaged, odd
  /// Of the prompt's first and last tokens, as many are kept in any case and count among `keep`:
  /// instruction and question. The paper has none.
  std::size_t pin_first = 0;
  std::size_t pin_last = 0;
};

/// Means over `width` (odd) neighbours; what is missing at the ends counts as 0.
std::vector<float> pool_scores(std::span<const float> scores, std::size_t width);

/// The positions to keep, in order: the pinned ones, then the best by their pooled score, the
/// earlier of equal ones. All if `keep` is as many.
std::vector<std::size_t> select_positions(std::span<const float> scores,
                                          const GemFilterOptions& options);

/// Indices of `ids` to keep, in order, by the products of the last token's queries with the keys
/// of the layer, summed over its query heads. Reads them with the layers up to it; all are kept
/// unread where there are no more than `keep`. Errors: kInvalidArgument for a layer that the model
/// doesn't have, an even pool, `keep` of 0 or pins beyond it; those of Session::append().
Result<std::vector<std::size_t>> gem_select(const std::shared_ptr<const Model>& model,
                                            std::span<const TokenId> ids,
                                            const GemFilterOptions& options,
                                            std::stop_token stop = {});

/// The tokens at `positions`.
std::vector<TokenId> gather(std::span<const TokenId> ids, std::span<const std::size_t> positions);

}  // namespace weft::inference
