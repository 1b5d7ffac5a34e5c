#pragma once
// Forbids an answer the n-grams of a given text, such as what it must not recite.
// Source: Carlsson et al. 2024 (The Hyperfitting Phenomenon), the control that blocks the training
// text.

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "inference/logits_processor.h"
#include "inference/token.h"

namespace weft::inference {

/// No token is drawn that completes `n` tokens in a row of `corpus`, which is copied; those before
/// it may be the prompt's. Errors: kInvalidArgument for n = 0.
Result<std::shared_ptr<const LogitsProcessor>> block_ngrams(std::span<const TokenId> corpus,
                                                            std::size_t n);

}  // namespace weft::inference
