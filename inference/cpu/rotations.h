#pragma once
// Rotary positions of a step's tokens. Private to inference/cpu. Source: Su et al. 2021 (RoPE).

#include <cstddef>
#include <span>
#include <vector>

#include "inference/cpu/attention.h"
#include "inference/cpu/vector_kernels.h"
#include "inference/model_config.h"

namespace weft::inference::cpu {

/// Of one rope: (tokens of the step, rope width / 2) each.
struct Rotations {
  std::vector<float> cosines, sines;
};

/// One for each of `frequencies` (see Pass), of `tokens` as if none stood beyond `position_max`.
std::vector<Rotations> make_rotations(std::span<const std::vector<double>> frequencies,
                                      std::span<const QueryToken> tokens, std::size_t position_max);

/// One head of q or k at the step's token `row`: its norm, where `norm` isn't empty, and its
/// rotation.
void place_head(float* head, std::size_t row, const Rotations& rotations,
                const std::vector<float>& norm, const ModelConfig& config,
                const VectorKernels& kernels) noexcept;

}  // namespace weft::inference::cpu
