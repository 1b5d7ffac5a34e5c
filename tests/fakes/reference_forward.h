#pragma once
// The forward pass of llama, qwen2, qwen3 and gemma3 models in double precision with plain loops:
// nothing is quantised but the weights as they stand in the file. The oracle of the engine's own
// pass. Source: Touvron et al. 2023 (Llama); Su et al. 2021 (RoPE); Zhang and Sennrich 2019
// (RMSNorm); Qwen team 2025 (Qwen3); Gemma team 2025 (Gemma 3); Hendrycks and Gimpel 2016 (GELU).

#include <span>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/token.h"

namespace weft::fakes {

/// Logits of every position: (ids.size(), vocabulary). Reads each tensor once a call.
/// Errors: those of GgufFile; kUnsupported for other architectures; kCorrupt for shapes that don't
/// fit; kInvalidArgument for an id outside the vocabulary.
Result<std::vector<std::vector<double>>> reference_logits(const inference::GgufFile& file,
                                                          std::span<const inference::TokenId> ids);

/// The same for rows as the embedding's, of a width each, in place of ids.
Result<std::vector<std::vector<double>>> reference_logits_of_rows(
    const inference::GgufFile& file, std::vector<std::vector<double>> rows);

}  // namespace weft::fakes
