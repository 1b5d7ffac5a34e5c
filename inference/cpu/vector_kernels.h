#pragma once
// The forward pass's arithmetic besides the matrix products: norms, rotation, attention, softmax.
// Every function gives the same bits at every level: elementwise operations are exact IEEE ones,
// sums run in 16 lanes that are folded in one fixed order, and e^x is one polynomial.

#include <cstddef>
#include <cstdint>

#include "inference/cpu/level.h"

namespace weft::inference::cpu {

/// A KV block holds 64 positions of one KV head: keys (head_width, 64) and values (64, head_width),
/// fp16. head_width is a multiple of 16, at most kKvHeadWidthMax.
inline constexpr std::size_t kKvBlockPositions = 64;
inline constexpr std::size_t kKvHeadWidthMax = 512;
/// Of the same as q8_0: values of a head that share a scale.
inline constexpr std::size_t kKvScaleValues = 32;

/// Keys or values of a block and head as q8_0: value = scale * byte. Scales are fp16: of keys
/// (scales, 64), of values (64, scales), with one for each 32 values of a head.
struct KvBytes {
  const std::int8_t* bytes = nullptr;
  const std::uint16_t* scales = nullptr;
};

struct VectorKernels {
  /// out = x / sqrt(mean(x^2) + epsilon) * weight, n values each.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, std::size_t n, float* out);
  /// x += y.
  void (*add)(float* x, const float* y, std::size_t n);
  /// gate = gate / (1 + e^-gate) * up.
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);
  /// gate = gate / (1 + e^(-2 u)) * up, u = sqrt(2 / pi) (gate + 0.044715 gate^3): GELU by tanh.
  void (*gelu_tanh_multiply)(float* gate, const float* up, std::size_t n);
  /// Rotates the pairs (x[2i], x[2i + 1]), i < pairs, by angles with the given cosines and sines.
  void (*rotate_neighbours)(float* x, const float* cosines, const float* sines, std::size_t pairs);
  /// Rotates the pairs (x[i], x[i + pairs]).
  void (*rotate_halves)(float* x, const float* cosines, const float* sines, std::size_t pairs);
  /// Rounds to fp16, nearest even.
  void (*to_half)(const float* x, std::size_t n, std::uint16_t* out);
  /// x = float(fp16(x)).
  void (*round_to_half)(float* x, std::size_t n);
  /// scores[r * stride + j] = q_r . k_j for `rows` queries (rows, head_width) and the first
  /// `positions` (1..64) keys of a block; up to the next multiple of 16 more are written.
  void (*attention_scores)(const std::uint16_t* keys, std::size_t head_width, const float* queries,
                           std::size_t rows, std::size_t positions, float* scores,
                           std::size_t stride);
  /// scores[begin, end) of one row to softmax(scale * scores), rounded to fp16 as llama.cpp rounds
  /// it; 0 elsewhere in [0, n). n is a multiple of 16, begin < end <= n.
  void (*attention_weights)(float* scores, std::size_t begin, std::size_t end, std::size_t n,
                            float scale);
  /// out[r * head_width + d] += sum over the first `positions` of weights[r * stride + j] * v_j[d],
  /// j in order. Callers go through the blocks in order.
  void (*attention_values)(const std::uint16_t* values, std::size_t head_width,
                           const float* weights, std::size_t stride, std::size_t rows,
                           std::size_t positions, float* out);
  /// The same of q8_0: the products of 32 values are summed before their scale multiplies them.
  void (*attention_scores_q8)(KvBytes keys, std::size_t head_width, const float* queries,
                              std::size_t rows, std::size_t positions, float* scores,
                              std::size_t stride);
  /// The same of q8_0: a scale multiplies the weight.
  void (*attention_values_q8)(KvBytes values, std::size_t head_width, const float* weights,
                              std::size_t stride, std::size_t rows, std::size_t positions,
                              float* out);
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
