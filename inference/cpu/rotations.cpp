#include "inference/cpu/rotations.h"

#include <algorithm>
#include <cmath>

namespace weft::inference::cpu {

std::vector<Rotations> make_rotations(std::span<const std::vector<double>> frequencies,
                                      std::span<const QueryToken> tokens,
                                      std::size_t position_max) {
  std::vector<Rotations> made(frequencies.size());
  for (std::size_t r = 0; r < made.size(); ++r) {
    const std::size_t pairs = frequencies[r].size();
    made[r].cosines.resize(tokens.size() * pairs);
    made[r].sines.resize(tokens.size() * pairs);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::size_t position = std::min(tokens[i].position, position_max);
      for (std::size_t j = 0; j < pairs; ++j) {
        // In double: far positions turn many times, and a float's angle would be off.
        const double angle = static_cast<double>(position) * frequencies[r][j];
        made[r].cosines[i * pairs + j] = static_cast<float>(std::cos(angle));
        made[r].sines[i * pairs + j] = static_cast<float>(std::sin(angle));
      }
    }
  }
  return made;
}

void place_head(float* head, std::size_t row, const Rotations& rotations,
                const std::vector<float>& norm, const ModelConfig& config,
                const VectorKernels& kernels) noexcept {
  if (!norm.empty()) {
    kernels.rms_norm(head, norm.data(), config.norm_epsilon, config.head_width, head);
  }
  const std::size_t pairs = config.rope_width / 2;
  const float* cosines = rotations.cosines.data() + row * pairs;
  const float* sines = rotations.sines.data() + row * pairs;
  if (config.rope_pairing == RopePairing::kNeighbours) {
    kernels.rotate_neighbours(head, cosines, sines, pairs);
  } else {
    kernels.rotate_halves(head, cosines, sines, pairs);
  }
}

}  // namespace weft::inference::cpu
