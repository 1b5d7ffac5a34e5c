#pragma once
// Several models that choose each token together: sums of their logits, with weights, while they
// read the same answer in lock-step. With base M, expert E and anti-expert A, M + a (E - A) tunes M
// by proxy; 1/K of each of K models is an ensemble; (1 + b) M - b A is contrastive decoding.
// Source: Liu et al. 2024 (Tuning Language Models by Proxy), eq. (1); Kim et al. 2025
// (Pre-training under infinite compute), section 4; Li et al. 2023 (Contrastive Decoding), section
// 3.2, in the form of O'Brien and Lewis 2023.

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "inference/logits_processor.h"
#include "inference/session.h"
#include "inference/token.h"
#include "inference/tokenizer.h"

namespace weft::inference {

struct WeightedLogits {
  std::span<const float> logits;
  float weight = 1;
};

/// What `logits`, the base's, become: their sum with the others. Tokens that not all of the
/// vocabularies have can't come, nor those of which the base's probability is less than
/// `plausibility` of its likeliest one's.
struct CombineOptions {
  float weight = 1;  // of the base
  float plausibility = 0;
};
void combine(std::span<float> logits, std::span<const WeightedLogits> others,
             const CombineOptions& options);

/// A model beside the base, which reads what the base reads.
struct Peer {
  Session session;
  float weight = 1;
  /// Read in place of the base's prompt, such as a chat beside a raw text; empty: the same.
  std::vector<TokenId> prompt = {};
};

/// A step for the front of a chain: what else changes logits is to see the sum. Each answer has
/// forks of the peers' sessions; with drafts and without it is the same. `base` is borrowed for the
/// call. Errors: kInvalidArgument for no peers, a weight or plausibility that isn't finite or in
/// range, or a peer whose tokens are others than the base's, which it names.
Result<std::shared_ptr<const LogitsProcessor>> logit_arithmetic(const Tokenizer& base,
                                                                std::vector<Peer> peers,
                                                                const CombineOptions& options = {},
                                                                std::stop_token stop = {});

}  // namespace weft::inference
