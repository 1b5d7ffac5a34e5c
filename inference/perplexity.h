#pragma once
// How well a model predicts a text: perplexity over windows that don't overlap, of which the first
// half is context only. The protocol of llama.cpp's perplexity tool, so that figures compare.

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "inference/session.h"
#include "inference/token.h"

namespace weft::inference {

struct PerplexityOptions {
  std::size_t window = 512;     // tokens, at least 4; at most the session's context
  std::size_t windows_max = 0;  // 0 = all whole windows of the text
  std::stop_token stop;
  std::function<void(std::size_t done, std::size_t total)> on_window;
  /// Gets the logits (vocabulary) of each scored place, in order; its error ends the scoring.
  std::function<Result<void>(std::span<const float> logits)> on_logits;
};

struct Perplexity {
  double perplexity = 0;   // e^(nll / tokens)
  double nll = 0;          // sum of -ln p(token | those before it in its window)
  std::size_t tokens = 0;  // that were scored
  std::vector<double> nll_per_window;
};

/// `ids` are the whole text's tokens without BOS; where the tokenizer adds one, it replaces each
/// window's first token. The session's own tokens are forgotten.
/// Errors: kInvalidArgument for the options or less text than a window; those of append_each.
Result<Perplexity> perplexity(Session& session, std::span<const TokenId> ids,
                              const PerplexityOptions& options = {});

}  // namespace weft::inference
