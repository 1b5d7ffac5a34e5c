#pragma once
// The forward pass of llama, qwen2, qwen3 and gemma3 models in double precision with plain loops:
// nothing is quantised but the weights as they stand in the file. The oracle of the engine's own
// pass. Source: Touvron et al. 2023 (Llama); Su et al. 2021 (RoPE); Zhang and Sennrich 2019
// (RMSNorm); Qwen team 2025 (Qwen3); Gemma team 2025 (Gemma 3); Hendrycks and Gimpel 2016 (GELU).

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/hooks.h"
#include "inference/token.h"

namespace weft::fakes {

/// What is otherwise than in the plain pass.
struct ReferenceOptions {
  /// Called at each point of each layer with the rows of all positions; may change them.
  std::function<void(std::size_t layer, inference::TapPoint point,
                     std::vector<std::vector<double>>& rows)>
      tap = {};
  /// Called for each query head at each position: q . k, not scaled and -infinity where nothing is
  /// seen, and the weights of the values.
  std::function<void(std::size_t layer, std::size_t position, std::size_t head,
                     const std::vector<double>& products, const std::vector<double>& weights)>
      scores = {};
  /// Whose attention, positions and program hold. Its taps and head rows are ignored.
  inference::Hooks hooks = {};
};

/// Logits of every position: (ids.size(), vocabulary). Reads each tensor once a call.
/// Errors: those of GgufFile; kUnsupported for other architectures; kCorrupt for shapes that don't
/// fit; kInvalidArgument for an id outside the vocabulary.
Result<std::vector<std::vector<double>>> reference_logits(const inference::GgufFile& file,
                                                          std::span<const inference::TokenId> ids,
                                                          const ReferenceOptions& options = {});

/// The same for rows as the embedding's, of a width each, in place of ids.
Result<std::vector<std::vector<double>>> reference_logits_of_rows(
    const inference::GgufFile& file, std::vector<std::vector<double>> rows,
    const ReferenceOptions& options = {});

}  // namespace weft::fakes
