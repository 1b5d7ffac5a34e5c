#include "inference/perplexity.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "inference/sampler.h"

namespace weft::inference {
namespace {

constexpr std::size_t kWindowMin = 4;  // smaller ones would score nothing

Result<double> score_window(Session& session, std::vector<TokenId> window,
                            const PerplexityOptions& options) {
  const Tokenizer& tokenizer = session.model().tokenizer();
  if (tokenizer.adds_bos() && tokenizer.bos()) window.front() = *tokenizer.bos();
  WEFT_TRY_VOID(session.truncate(0));
  double nll = 0;
  Result<void> taken;
  // Nobody asks what follows the last token, so it isn't read.
  const auto read = std::span<const TokenId>(window).first(window.size() - 1);
  WEFT_TRY_VOID(session.append_each(
      read, window.size() / 2,
      [&](std::size_t i, std::span<const float> logits) {
        nll -= static_cast<double>(log_probability(logits, window[i + 1]));
        if (options.on_logits && taken) taken = options.on_logits(logits);
      },
      options.stop));
  WEFT_TRY_VOID(taken);
  return nll;
}

}  // namespace

Result<Perplexity> perplexity(Session& session, std::span<const TokenId> ids,
                              const PerplexityOptions& options) {
  if (options.window < kWindowMin || options.window > session.context_length()) {
    return Error{ErrorCode::kInvalidArgument,
                 "the window has " + std::to_string(options.window) + " tokens; it must be " +
                     std::to_string(kWindowMin) + " to the context's " +
                     std::to_string(session.context_length())};
  }
  std::size_t windows = ids.size() / options.window;
  if (options.windows_max != 0) windows = std::min(windows, options.windows_max);
  if (windows == 0) {
    return Error{ErrorCode::kInvalidArgument, "the text has " + std::to_string(ids.size()) +
                                                  " tokens, less than one window of " +
                                                  std::to_string(options.window)};
  }
  Perplexity result;
  for (std::size_t i = 0; i < windows; ++i) {
    const auto window = ids.subspan(i * options.window, options.window);
    WEFT_TRY(nll, score_window(session, {window.begin(), window.end()}, options));
    result.nll_per_window.push_back(nll);
    result.nll += nll;
    result.tokens += options.window - 1 - options.window / 2;
    if (options.on_window) options.on_window(i + 1, windows);
  }
  result.perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
  return result;
}

}  // namespace weft::inference
