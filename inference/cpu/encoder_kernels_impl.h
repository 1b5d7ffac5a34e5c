#pragma once
// The bodies of the encoder kernels, written once over the 16-lane type of simd.h and compiled for
// each level by encoder_kernels_LEVEL.cpp, by the rules of vector_kernels_impl.h, whose e^x they
// use.

#include <cstddef>

#include "inference/cpu/encoder_kernels.h"
#include "inference/cpu/simd.h"
#include "inference/cpu/vector_kernels_impl.h"

namespace weft::inference::cpu {
namespace {

// Queries that meet a loaded key: on AVX-512 more than four were slower.
constexpr std::size_t kQueries = WEFT_SIMD_LEVEL == 2 ? 4 : kRowsAtOnce;
static_assert(kQueries <= kEncoderQueriesMax);

void encoder_add(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kLanes) store(x + i, add(load(x + i), load(y + i)));
}

void encoder_scale(float* x, float factor, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kLanes) store(x + i, mul(load(x + i), set1(factor)));
}

void encoder_multiply(const float* x, const float* y, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; i += kLanes) store(out + i, mul(load(x + i), load(y + i)));
}

float sum_of_squares(const float* x, std::size_t n) {
  F32x16 squares = set1(0);
  for (std::size_t i = 0; i < n; i += kLanes) squares = fma(load(x + i), load(x + i), squares);
  return sum(squares);
}

void add_norm(float* x, const float* y, const float* bias, const LayerNorm& norm, std::size_t n) {
  const auto count = static_cast<float>(n);
  F32x16 total = set1(0);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F32x16 v = add(load(x + i), add(load(y + i), load(bias + i)));
    store(x + i, v);
    total = add(total, v);
  }
  const F32x16 mean = set1(sum(total) / count);
  F32x16 squares = set1(0);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F32x16 v = sub(load(x + i), mean);
    squares = fma(v, v, squares);
  }
  const F32x16 factor = set1(1 / __builtin_sqrtf(sum(squares) / count + norm.epsilon));
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F32x16 v = mul(sub(load(x + i), mean), factor);
    store(x + i, fma(v, load(norm.weight + i), load(norm.bias + i)));
  }
}

/// With a = |v|: erfc(a / sqrt 2) / 2 = e^(-a^2 / 2) * t * P(t), t = 1 / (1 + 0.3275911 a / sqrt
/// 2): the form of Abramowitz and Stegun 7.1.26, with a P of degree 7 fitted to 6e-8 on a <= 9.5.
inline F32x16 gelu(F32x16 v) {
  const F32x16 a = abs(v);
  const F32x16 t = div(set1(1), fma(a, set1(0.231641888F), set1(1)));
  F32x16 p = set1(-0.144383892F);
  p = fma(p, t, set1(0.51057601F));
  p = fma(p, t, set1(-0.430555075F));
  p = fma(p, t, set1(0.476798862F));
  p = fma(p, t, set1(0.0123621821F));
  p = fma(p, t, set1(0.210091248F));
  p = fma(p, t, set1(0.180006266F));
  p = fma(p, t, set1(0.185104385F));
  const F32x16 half_t = mul(t, set1(0.5F));
  const F32x16 power = exp(mul(mul(v, set1(-0.5F)), v));
  const F32x16 tail = mul(mul(half_t, p), power);
  return mul(v, select_less(v, set1(0), tail, sub(set1(1), tail)));
}

void bias_gelu(float* x, const float* bias, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    store(x + i, gelu(add(load(x + i), load(bias + i))));
  }
}

/// Scores (padded) to e^(score - max), 0 from `tokens` on; returns their sum.
inline float exponentials(float* scores, std::size_t tokens, std::size_t padded) {
  for (std::size_t j = tokens; j < padded; ++j) scores[j] = -kInfinity;
  F32x16 top = set1(-kInfinity);
  for (std::size_t j = 0; j < padded; j += kLanes) top = max(load(scores + j), top);
  const F32x16 most = set1(max_lane(top));
  F32x16 total = set1(0);
  for (std::size_t j = 0; j < padded; j += kLanes) {
    const F32x16 p = exp(sub(load(scores + j), most));
    store(scores + j, p);
    total = add(total, p);
  }
  return sum(total);
}

struct EncoderScratch {
  float* keys;     // (head_width, padded): a column is a token, zeros past the last
  float* values;   // (tokens, head_width)
  float* queries;  // (kQueries, head_width), scaled
  float* scores;   // (kQueries, padded)
  std::size_t padded;
};

template <std::size_t R>
inline void attend_rows(const EncoderHead& head, const EncoderScratch& s, std::size_t first) {
  const std::size_t width = head.head_width;
  const F32x16 scale = set1(1 / __builtin_sqrtf(static_cast<float>(width)));
  for (std::size_t r = 0; r < R; ++r) {
    const float* from = head.queries + (first + r) * head.stride;
    for (std::size_t d = 0; d < width; d += kLanes) {
      store(s.queries + r * width + d, mul(add(load(from + d), load(head.query_bias + d)), scale));
    }
  }
  for_columns(s.padded, [&]<std::size_t V>(std::size_t j) {
    F32x16 sums[R][V] = {};
    add_products<R, V>(s.queries, width, s.keys + j, s.padded, width, sums);
    for (std::size_t r = 0; r < R; ++r) {
      for (std::size_t v = 0; v < V; ++v) {
        store(s.scores + r * s.padded + j + v * kLanes, sums[r][v]);
      }
    }
  });
  float totals[R];
  for (std::size_t r = 0; r < R; ++r) {
    totals[r] = exponentials(s.scores + r * s.padded, head.tokens, s.padded);
  }
  for_columns(width, [&]<std::size_t V>(std::size_t d) {
    F32x16 sums[R][V] = {};
    add_products<R, V>(s.scores, s.padded, s.values + d, width, head.tokens, sums);
    for (std::size_t r = 0; r < R; ++r) {
      for (std::size_t v = 0; v < V; ++v) {
        store(head.out + (first + r) * head.stride + d + v * kLanes,
              div(sums[r][v], set1(totals[r])));
      }
    }
  });
}

void encoder_attend(const EncoderHead& head, float* scratch) {
  const std::size_t width = head.head_width;
  const std::size_t padded = (head.tokens + kLanes - 1) / kLanes * kLanes;
  const EncoderScratch s = {.keys = scratch,
                            .values = scratch + padded * width,
                            .queries = scratch + 2 * padded * width,
                            .scores = scratch + 2 * padded * width + kQueries * width,
                            .padded = padded};
  for (std::size_t j = 0; j < head.tokens; ++j) {
    const float* key = head.keys + j * head.stride;
    const float* value = head.values + j * head.stride;
    for (std::size_t d = 0; d < width; ++d) s.keys[d * padded + j] = key[d] + head.key_bias[d];
    for (std::size_t d = 0; d < width; d += kLanes) {
      store(s.values + j * width + d, add(load(value + d), load(head.value_bias + d)));
    }
  }
  for (std::size_t j = head.tokens; j < padded; ++j) {
    for (std::size_t d = 0; d < width; ++d) s.keys[d * padded + j] = 0;
  }
  for_rows_at_once<kQueries>(
      0, head.tokens, [&]<std::size_t R>(std::size_t first) { attend_rows<R>(head, s, first); });
}

constexpr EncoderKernels kEncoderKernels = {add_norm,      bias_gelu,     encoder_attend,
                                            encoder_add,   encoder_scale, encoder_multiply,
                                            sum_of_squares};

}  // namespace
}  // namespace weft::inference::cpu
