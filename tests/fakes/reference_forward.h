#pragma once
// The forward pass of llama and qwen2 models in double precision with plain loops: nothing is
// quantised but the weights as they stand in the file. The oracle of the engine's own pass.
// Source: Touvron et al. 2023 (Llama); Su et al. 2021 (RoPE); Zhang and Sennrich 2019 (RMSNorm).

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

}  // namespace weft::fakes
