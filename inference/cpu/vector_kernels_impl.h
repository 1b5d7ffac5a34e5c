#pragma once
// The bodies of the vector kernels, written once over the 16-lane type of simd.h and compiled for
// each level by vector_kernels_LEVEL.cpp. All of it has internal linkage, and no std templates are
// used, for the reason that simd.h gives.
// Compiled with -ffp-contract=off: a fused multiply-add stands where fma() is written, only there.

#include <cstddef>
#include <cstdint>

#include "inference/cpu/simd.h"
#include "inference/cpu/vector_kernels.h"

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kLanes = 16;
constexpr float kInfinity = __builtin_inff();

/// e^x to about 1.5 units in the last place; 0 below -87.3 (no subnormals), e^88 above 88.
/// x = n ln 2 + r, |r| <= ln 2 / 2; the polynomial and the split of ln 2 are those of Cephes' expf.
inline F32x16 exp(F32x16 x) {
  const F32x16 lowest = set1(-87.3F);
  const F32x16 y = max(lowest, min(set1(88.0F), x));
  const F32x16 n = round_even(mul(y, set1(1.44269504088896341F)));
  F32x16 r = fma(n, set1(-0.693359375F), y);
  r = fma(n, set1(2.12194440e-4F), r);
  F32x16 p = set1(1.9875691500e-4F);
  p = fma(p, r, set1(1.3981999507e-3F));
  p = fma(p, r, set1(8.3334519073e-3F));
  p = fma(p, r, set1(4.1665795894e-2F));
  p = fma(p, r, set1(1.6666665459e-1F));
  p = fma(p, r, set1(5.0000001201e-1F));
  p = fma(p, mul(r, r), add(r, set1(1)));
  return select_less(x, lowest, set1(0), scale_by_power(p, n));
}

/// x[i] = body(x[i], i) in vectors of 16. What is left at the end goes through a padded copy, so
/// that each value meets the same operations.
template <typename Body>
inline void map(float* x, std::size_t n, const Body& body) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, body(load(x + i), i));
  if (i < n) store_part(x + i, body(load_part(x + i, n - i), i), n - i);
}

inline F32x16 load_some(const float* x, std::size_t n, float rest) {
  if (n >= kLanes) return load(x);
  float padded[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) padded[i] = i < n ? x[i] : rest;
  return load(padded);
}

void rms_norm(const float* x, const float* weight, float epsilon, std::size_t n, float* out) {
  F32x16 squares = set1(0);
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F32x16 v = load_some(x + i, n - i, 0);
    squares = fma(v, v, squares);
  }
  const float scale = 1 / __builtin_sqrtf(sum(squares) / static_cast<float>(n) + epsilon);
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void add(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] += y[i];
}

void silu_multiply(float* gate, const float* up, std::size_t n) {
  const F32x16 one = set1(1);
  map(gate, n, [&](F32x16 g, std::size_t i) {
    const F32x16 denominator = add(one, exp(sub(set1(0), g)));
    return mul(div(g, denominator), load_some(up + i, n - i, 0));
  });
}

/// gelu(x) = x / 2 (1 + tanh(u)), and (1 + tanh(u)) / 2 = 1 / (1 + e^(-2 u)).
void gelu_tanh_multiply(float* gate, const float* up, std::size_t n) {
  const F32x16 one = set1(1);
  const F32x16 cubic = set1(0.044715F);
  const F32x16 minus_two_root = set1(-1.5957691216057308F);  // -2 sqrt(2 / pi)
  map(gate, n, [&](F32x16 g, std::size_t i) {
    const F32x16 inner = fma(mul(mul(g, g), g), cubic, g);
    const F32x16 denominator = add(one, exp(mul(inner, minus_two_root)));
    return mul(div(g, denominator), load_some(up + i, n - i, 0));
  });
}

void rotate_neighbours(float* x, const float* cosines, const float* sines, std::size_t pairs) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

void rotate_halves(float* x, const float* cosines, const float* sines, std::size_t pairs) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const float a = x[i];
    const float b = x[i + pairs];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + pairs] = a * sines[i] + b * cosines[i];
  }
}

void to_half(const float* x, std::size_t n, std::uint16_t* out) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_half(out + i, load(x + i));
  if (i < n) {
    std::uint16_t padded[kLanes];
    store_half(padded, load_part(x + i, n - i));
    for (std::size_t j = 0; i + j < n; ++j) out[i + j] = padded[j];
  }
}

void round_to_half(float* x, std::size_t n) {
  map(x, n, [](F32x16 v, std::size_t) {
    std::uint16_t half[kLanes];
    store_half(half, v);
    return load_half(half);
  });
}

/// How many rows and vectors of columns meet at once: their sums fill the level's registers.
#if WEFT_SIMD_LEVEL == 2
constexpr std::size_t kRowsAtOnce = 8;
constexpr std::size_t kVectorsAtOnce = 2;
#else
constexpr std::size_t kRowsAtOnce = 6;
constexpr std::size_t kVectorsAtOnce = 1;
#endif

/// Calls body of as many rows at once as there are, up to kRowsAtOnce; each row's result is the
/// same.
template <std::size_t R, typename Body>
inline void for_rows_at_once(std::size_t r, std::size_t rows, const Body& body) {
  for (; r + R <= rows; r += R) body.template operator()<R>(r);
  if constexpr (R > 1) for_rows_at_once<R - 1>(r, rows, body);
}

template <typename Body>
inline void for_rows(std::size_t rows, const Body& body) {
  for_rows_at_once<kRowsAtOnce>(0, rows, body);
}

inline F32x16 load_kept(const float* from) { return load(from); }
inline F32x16 load_kept(const std::uint16_t* from) { return load_half(from); }
inline F32x16 load_kept(const std::int8_t* from) { return load_int8(from); }

/// sums[r][v] += sum over k of a[r][k] * b[k][16 v..16 v + 16), k in order, for R rows and V
/// vectors.
template <std::size_t R, std::size_t V, typename Kept>
inline void add_products(const float* a, std::size_t a_stride, const Kept* b, std::size_t b_stride,
                         std::size_t depth, F32x16 (&sums)[R][V]) {
  for (std::size_t k = 0; k < depth; ++k) {
    F32x16 column[V];
    for (std::size_t v = 0; v < V; ++v) column[v] = load_kept(b + k * b_stride + v * kLanes);
    for (std::size_t r = 0; r < R; ++r) {
      const F32x16 factor = set1(a[r * a_stride + k]);
      for (std::size_t v = 0; v < V; ++v) sums[r][v] = fma(factor, column[v], sums[r][v]);
    }
  }
}

/// body(c, number of vectors) for the columns [0, n) in steps of as many vectors as go at once.
template <typename Body>
inline void for_columns(std::size_t n, const Body& body) {
  std::size_t c = 0;
  for (; c + (kVectorsAtOnce - 1) * kLanes < n; c += kVectorsAtOnce * kLanes) {
    body.template operator()<kVectorsAtOnce>(c);
  }
  if (c < n) body.template operator()<1>(c);
}

/// body(b, b_stride) with b's columns [0, 16 V) as floats if many rows are to meet them: converting
/// them once is cheaper then. Else, and where registers hold so many rows that it isn't, as kept.
template <std::size_t V, typename Kept, typename Body>
inline void with_columns(const Kept* b, std::size_t b_stride, std::size_t depth, std::size_t rows,
                         const Body& body) {
  if (WEFT_SIMD_LEVEL == 2 || rows <= kRowsAtOnce) return body(b, b_stride);
  static_assert(kKvHeadWidthMax >= kKvBlockPositions);
  float columns[kKvHeadWidthMax * V * kLanes];
  for (std::size_t k = 0; k < depth; ++k) {
    for (std::size_t v = 0; v < V; ++v) {
      store(columns + (k * V + v) * kLanes, load_kept(b + k * b_stride + v * kLanes));
    }
  }
  body(static_cast<const float*>(columns), V * kLanes);
}

template <std::size_t R, std::size_t V, typename Kept>
inline void score_columns(const Kept* keys, std::size_t keys_stride, std::size_t head_width,
                          const float* queries, float* scores, std::size_t stride) {
  F32x16 sums[R][V] = {};
  add_products<R, V>(queries, head_width, keys, keys_stride, head_width, sums);
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t v = 0; v < V; ++v) store(scores + r * stride + v * kLanes, sums[r][v]);
  }
}

void attention_scores(const std::uint16_t* keys, std::size_t head_width, const float* queries,
                      std::size_t rows, std::size_t positions, float* scores, std::size_t stride) {
  for_columns(positions, [&]<std::size_t V>(std::size_t j) {
    with_columns<V>(keys + j, kKvBlockPositions, head_width, rows,
                    [&](const auto* columns, std::size_t columns_stride) {
                      for_rows(rows, [&]<std::size_t R>(std::size_t r) {
                        score_columns<R, V>(columns, columns_stride, head_width,
                                            queries + r * head_width, scores + r * stride + j,
                                            stride);
                      });
                    });
  });
}

void attention_weights(float* scores, std::size_t begin, std::size_t end, std::size_t n,
                       float scale) {
  const std::size_t first = begin / kLanes * kLanes;
  const std::size_t last = (end + kLanes - 1) / kLanes * kLanes;
  for (std::size_t j = 0; j < first; ++j) scores[j] = 0;
  for (std::size_t j = first; j < begin; ++j) scores[j] = -kInfinity;
  for (std::size_t j = end; j < last; ++j) scores[j] = -kInfinity;
  for (std::size_t j = last; j < n; ++j) scores[j] = 0;
  F32x16 most = set1(-kInfinity);
  for (std::size_t j = first; j < last; j += kLanes) {
    const F32x16 v = mul(load(scores + j), set1(scale));
    store(scores + j, v);
    most = max(v, most);
  }
  const F32x16 top = set1(max_lane(most));
  F32x16 total = set1(0);
  for (std::size_t j = first; j < last; j += kLanes) {
    const F32x16 p = exp(sub(load(scores + j), top));
    store(scores + j, p);
    total = add(total, p);
  }
  const F32x16 share = set1(1 / sum(total));
  for (std::size_t j = first; j < last; j += kLanes) {
    std::uint16_t half[kLanes];
    store_half(half, mul(load(scores + j), share));
    store(scores + j, load_half(half));
  }
}

template <std::size_t R, std::size_t V, typename Kept>
inline void add_values(const Kept* values, std::size_t values_stride, const float* weights,
                       std::size_t weights_stride, std::size_t positions, float* out,
                       std::size_t head_width) {
  F32x16 sums[R][V];
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t v = 0; v < V; ++v) sums[r][v] = load(out + r * head_width + v * kLanes);
  }
  add_products<R, V>(weights, weights_stride, values, values_stride, positions, sums);
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t v = 0; v < V; ++v) store(out + r * head_width + v * kLanes, sums[r][v]);
  }
}

void attention_values(const std::uint16_t* values, std::size_t head_width, const float* weights,
                      std::size_t stride, std::size_t rows, std::size_t positions, float* out) {
  for_columns(head_width, [&]<std::size_t V>(std::size_t d) {
    with_columns<V>(values + d, head_width, positions, rows,
                    [&](const auto* columns, std::size_t columns_stride) {
                      for_rows(rows, [&]<std::size_t R>(std::size_t r) {
                        add_values<R, V>(columns, columns_stride, weights + r * stride, stride,
                                         positions, out + r * head_width + d, head_width);
                      });
                    });
  });
}

template <std::size_t R, std::size_t V>
inline void score_columns_q8(KvBytes keys, std::size_t head_width, const float* queries,
                             float* scores, std::size_t stride) {
  for (std::size_t d = 0; d < head_width; d += kKvScaleValues) {
    const std::size_t depth = head_width - d < kKvScaleValues ? head_width - d : kKvScaleValues;
    F32x16 sums[R][V] = {};
    add_products<R, V>(queries + d, head_width, keys.bytes + d * kKvBlockPositions,
                       kKvBlockPositions, depth, sums);
    const std::uint16_t* scales = keys.scales + d / kKvScaleValues * kKvBlockPositions;
    for (std::size_t v = 0; v < V; ++v) {
      const F32x16 scale = load_half(scales + v * kLanes);
      for (std::size_t r = 0; r < R; ++r) {
        float* to = scores + r * stride + v * kLanes;
        store(to, d == 0 ? mul(sums[r][v], scale) : fma(sums[r][v], scale, load(to)));
      }
    }
  }
}

void attention_scores_q8(KvBytes keys, std::size_t head_width, const float* queries,
                         std::size_t rows, std::size_t positions, float* scores,
                         std::size_t stride) {
  for_columns(positions, [&]<std::size_t V>(std::size_t j) {
    for_rows(rows, [&]<std::size_t R>(std::size_t r) {
      score_columns_q8<R, V>({keys.bytes + j, keys.scales + j}, head_width,
                             queries + r * head_width, scores + r * stride + j, stride);
    });
  });
}

void attention_values_q8(KvBytes values, std::size_t head_width, const float* weights,
                         std::size_t stride, std::size_t rows, std::size_t positions, float* out) {
  const std::size_t scales = (head_width + kKvScaleValues - 1) / kKvScaleValues;
  for (std::size_t s = 0; s < scales; ++s) {
    const std::size_t d = s * kKvScaleValues;
    const std::size_t width = head_width - d < kKvScaleValues ? head_width - d : kKvScaleValues;
    std::uint16_t halves[kKvBlockPositions] = {};
    for (std::size_t j = 0; j < positions; ++j) halves[j] = values.scales[j * scales + s];
    for_rows(rows, [&]<std::size_t R>(std::size_t r) {
      float scaled[R][kKvBlockPositions];
      for (std::size_t i = 0; i < R; ++i) {
        for (std::size_t j = 0; j < positions; j += kLanes) {
          // A row of weights reaches to a multiple of the block's positions.
          store(scaled[i] + j, mul(load(weights + (r + i) * stride + j), load_half(halves + j)));
        }
      }
      for_columns(width, [&]<std::size_t V>(std::size_t c) {
        add_values<R, V>(values.bytes + d + c, head_width, scaled[0], kKvBlockPositions, positions,
                         out + r * head_width + d + c, head_width);
      });
    });
  }
}

void exponentiate(float* x, std::size_t n) {
  map(x, n, [](F32x16 v, std::size_t) { return exp(v); });
}

double sum_of_exponentials(const float* x, std::size_t n, float max) {
  // A float sum over a whole vocabulary would lose digits: partial sums of a few vectors each.
  constexpr std::size_t kPart = 64 * kLanes;
  double total = 0;
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    const std::size_t end = begin + kPart < n ? begin + kPart : n;
    F32x16 part = set1(0);
    for (std::size_t i = begin; i < end; i += kLanes) {
      part = add(part, exp(sub(load_some(x + i, end - i, -kInfinity), set1(max))));
    }
    total += static_cast<double>(sum(part));
  }
  return total;
}

std::size_t argmax(const float* x, std::size_t n) {
  // Which part has it first: only that one is searched value by value.
  constexpr std::size_t kPart = 64 * kLanes;
  float top = -kInfinity;
  std::size_t first = 0;
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    const std::size_t end = begin + kPart < n ? begin + kPart : n;
    // max(NaN, best) keeps best: the operand order of max() is part of simd.h.
    F32x16 best = set1(-kInfinity);
    for (std::size_t i = begin; i < end; i += kLanes) {
      best = max(load_some(x + i, end - i, -kInfinity), best);
    }
    const float here = max_lane(best);
    if (here > top) {
      top = here;
      first = begin;
    }
  }
  for (std::size_t i = first; i < n; ++i) {
    if (x[i] == top) return i;
  }
  return 0;
}

constexpr VectorKernels kVectorKernels = {rms_norm,
                                          add,
                                          silu_multiply,
                                          gelu_tanh_multiply,
                                          rotate_neighbours,
                                          rotate_halves,
                                          to_half,
                                          round_to_half,
                                          attention_scores,
                                          attention_weights,
                                          attention_values,
                                          attention_scores_q8,
                                          attention_values_q8,
                                          exponentiate,
                                          sum_of_exponentials,
                                          argmax};

}  // namespace
}  // namespace weft::inference::cpu
