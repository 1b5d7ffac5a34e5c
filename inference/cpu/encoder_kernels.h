#pragma once
// The arithmetic of a BERT-type encoder besides its matrix products: layer norm, GELU, and
// attention in which every token sees every token. Same bits at every level: see vector_kernels.h.

#include <cstddef>

#include "inference/cpu/level.h"

namespace weft::inference::cpu {

/// Widths of vectors and heads are multiples of this.
inline constexpr std::size_t kEncoderStep = 16;
/// Queries that attend() takes together, at the level of most.
inline constexpr std::size_t kEncoderQueriesMax = 6;

struct LayerNorm {
  const float* weight;  // (n)
  const float* bias;    // (n)
  float epsilon;
};

/// One head over one sequence. Row i of queries is queries + i * stride, (head_width) long; keys,
/// values and out likewise.
struct EncoderHead {
  const float* queries;
  const float* keys;
  const float* values;
  const float* query_bias;  // (head_width) each: added to every row
  const float* key_bias;
  const float* value_bias;
  std::size_t stride;
  std::size_t tokens;      // >= 1
  std::size_t head_width;  // a multiple of kEncoderStep
  float* out;
};

/// Floats that attend() needs as scratch.
std::size_t encoder_scratch_floats(std::size_t tokens, std::size_t head_width) noexcept;

struct EncoderKernels {
  /// x = norm(x + (y + bias)), n values each: (x - mean) / sqrt(variance + epsilon) * weight +
  /// bias.
  void (*add_norm)(float* x, const float* y, const float* bias, const LayerNorm& norm,
                   std::size_t n);
  /// x = gelu(x + bias), the exact one: v * (1 + erf(v / sqrt 2)) / 2, to 4e-7 times max(1, |v|).
  void (*bias_gelu)(float* x, const float* bias, std::size_t n);
  /// out_i = sum over j of softmax_j(q_i . k_j / sqrt(head_width)) v_j.
  void (*attend)(const EncoderHead& head, float* scratch);
  /// x += y, and x *= factor.
  void (*add)(float* x, const float* y, std::size_t n);
  void (*scale)(float* x, float factor, std::size_t n);
  /// out = x * y, value by value.
  void (*multiply)(const float* x, const float* y, std::size_t n, float* out);
  /// The sum of x[i]^2.
  float (*sum_of_squares)(const float* x, std::size_t n);
};

/// Those of `level`, which this CPU must run.
const EncoderKernels& encoder_kernels(Level level) noexcept;

}  // namespace weft::inference::cpu
