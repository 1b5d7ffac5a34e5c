#pragma once
// How far a changed model is from its original on a text: perplexity of both, and the mean
// Kullback-Leibler divergence of their next-token distributions. The models needn't be in memory
// together: the first one's distributions wait in a file. Sources: llama.cpp's perplexity tool
// (windows, half of each is context); "A Comprehensive Evaluation of Quantization Strategies for
// Large Language Models", 2024 (perplexity as the proxy).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "inference/perplexity.h"
#include "inference/session.h"
#include "inference/token.h"

namespace weft::inference {

struct Divergence {
  double perplexity_original = 0;
  double perplexity_changed = 0;
  double mean_kl = 0;  // nats: sum of p ln(p / q), p the original's
  double largest_kl = 0;
  double same_top_token = 0;  // share of the places where both find the same token likeliest
  std::size_t tokens = 0;     // places
};

/// Needs itself alone.
class DivergenceMeter {
 public:
  /// Distributions wait in a file without a name in `directory`: four bytes a token of the
  /// vocabulary and place. `ids` are the text's tokens without BOS.
  /// Errors: kResourceExhausted if the disk hasn't room for them; kIo.
  static Result<DivergenceMeter> open(const std::filesystem::path& directory,
                                      std::span<const TokenId> ids, PerplexityOptions options);

  DivergenceMeter(DivergenceMeter&&) noexcept;
  ~DivergenceMeter();

  /// Reads the text with the original, once. Errors: those of perplexity() and of the disk.
  Result<void> original(Session& session);
  /// Reads it with a changed model, as often as one likes. Errors: likewise; kInvalidArgument if
  /// the vocabularies have another size, or original() hasn't been called.
  Result<Divergence> changed(Session& session);

 private:
  struct State;
  explicit DivergenceMeter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
