#pragma once
// The forward pass's arithmetic besides the matrix products: norms, rotation, attention, softmax.
// Every function gives the same bits at every level: elementwise operations are exact IEEE ones,
// sums run in 16 lanes that are folded in one fixed order, and e^x is one polynomial.

#include <cstddef>
#include <cstdint>

#include "inference/cpu/level.h"

namespace weft::inference::cpu {

/// Softmax over what has been attended to so far, for one query row: the greatest score, the sum of
/// e^(score - max), and the values weighted by it. Blocks of 64 positions are merged one by one, in
/// order, whoever holds them: m = max, l = sum of l_i e^(m_i - m), o likewise.
struct AttentionRow {
  float max;
  float sum;
};

/// One KV block seen by some query rows of one KV head.
struct AttentionBlock {
  const std::uint16_t* keys;    // (head_width, 64), fp16
  const std::uint16_t* values;  // (64, head_width), fp16
  std::size_t head_width;       // a multiple of 16
  float scale;                  // of the scores: 1 / sqrt(head_width)
};

struct VectorKernels {
  /// out = x / sqrt(mean(x^2) + epsilon) * weight, n values each.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, std::size_t n, float* out);
  /// x += y.
  void (*add)(float* x, const float* y, std::size_t n);
  /// gate = gate / (1 + e^-gate) * up.
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);
  /// Rotates the pairs (x[2i], x[2i + 1]), i < pairs, by angles with the given cosines and sines.
  void (*rotate_neighbours)(float* x, const float* cosines, const float* sines, std::size_t pairs);
  /// Rotates the pairs (x[i], x[i + pairs]).
  void (*rotate_halves)(float* x, const float* cosines, const float* sines, std::size_t pairs);
  /// Rounds to fp16, nearest even.
  void (*to_half)(const float* x, std::size_t n, std::uint16_t* out);
  /// x = float(fp16(x)).
  void (*round_to_half)(float* x, std::size_t n);
  /// Merges one block into `rows` running softmaxes. `queries` and `out` are (rows, head_width);
  /// row i sees the first visible[i] (1..64) positions; `scores` is scratch of (rows, 64).
  /// A row that hasn't seen a block yet has max = -infinity, sum = 0 and out = 0.
  void (*attend)(const AttentionBlock& block, const float* queries, std::size_t rows,
                 const std::uint8_t* visible, float* scores, AttentionRow* state, float* out);
  /// x = e^x.
  void (*exponentiate)(float* x, std::size_t n);
  /// The sum of e^(x[i] - max).
  double (*sum_of_exponentials)(const float* x, std::size_t n, float max);
  /// The first index of the greatest value; NaN never wins. 0 if there is none. n >= 1.
  std::size_t (*argmax)(const float* x, std::size_t n);
};

/// Those of `level`, which this CPU must run.
const VectorKernels& vector_kernels(Level level) noexcept;

}  // namespace weft::inference::cpu
