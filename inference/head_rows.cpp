#include "inference/head_rows.h"

#include <array>
#include <cstddef>

namespace weft::inference {
namespace {

/// Sums of a fixed number of lanes: a compiler may use any vectors that it has, and the order
/// stays.
constexpr std::size_t kLanes = 16;

float dot(const float* row, std::span<const float> hidden) noexcept {
  std::array<float, kLanes> sums = {};
  std::size_t i = 0;
  for (; i + kLanes <= hidden.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += row[i + lane] * hidden[i + lane];
    }
  }
  for (std::size_t lane = 0; i + lane < hidden.size(); ++lane) {
    sums[lane] += row[i + lane] * hidden[i + lane];
  }
  for (std::size_t half = kLanes / 2; half != 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

}  // namespace

void head_logits(std::span<const float> rows, std::span<const float> hidden,
                 std::span<float> out) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = dot(rows.data() + i * hidden.size(), hidden);
}

}  // namespace weft::inference
