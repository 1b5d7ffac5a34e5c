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
constexpr std::size_t kBlockTokens = 64;
constexpr std::size_t kBlockVectors = kBlockTokens / kLanes;
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

/// out[r][0..16) = sum over k of a[r][k] * b[k][0..16), k in order, for R rows.
template <std::size_t R>
inline void dot_columns(const float* a, std::size_t a_stride, const std::uint16_t* b,
                        std::size_t b_stride, std::size_t depth, F32x16 (&sums)[R]) {
  for (F32x16& sum : sums) sum = set1(0);
  for (std::size_t k = 0; k < depth; ++k) {
    const F32x16 column = load_half(b + k * b_stride);
    for (std::size_t r = 0; r < R; ++r) sums[r] = fma(set1(a[r * a_stride + k]), column, sums[r]);
  }
}

/// Calls body of as many rows at once as there are, up to 4; each row's result is the same.
template <typename Body>
inline void for_rows(std::size_t rows, const Body& body) {
  std::size_t r = 0;
  for (; r + 4 <= rows; r += 4) body.template operator()<4>(r);
  if (rows - r == 3) body.template operator()<3>(r);
  if (rows - r == 2) body.template operator()<2>(r);
  if (rows - r == 1) body.template operator()<1>(r);
}

/// Scores (64) to e^(score - max) of the visible ones, 0 for the others.
inline AttentionRow softmax_block(float* scores, std::size_t visible, float scale) {
  for (std::size_t j = visible; j < kBlockTokens; ++j) {
    scores[j] = -kInfinity;
  }
  F32x16 v[kBlockVectors];
  for (std::size_t j = 0; j < kBlockVectors; ++j) {
    v[j] = mul(load(scores + j * kLanes), set1(scale));
  }
  const float top = max_lane(max(max(v[0], v[1]), max(v[2], v[3])));
  F32x16 total = set1(0);
  for (std::size_t j = 0; j < kBlockVectors; ++j) {
    const F32x16 p = exp(sub(v[j], set1(top)));
    store(scores + j * kLanes, p);
    total = add(total, p);
  }
  return {top, sum(total)};
}

/// e^x of one value: the same polynomial.
inline float exp_one(float x) {
  float lanes[kLanes];
  store(lanes, exp(set1(x)));
  return lanes[0];
}

inline std::size_t most(const std::uint8_t* counts, std::size_t n) {
  std::size_t result = 0;
  for (std::size_t i = 0; i < n; ++i) result = counts[i] > result ? counts[i] : result;
  return result;
}

void attend(const AttentionBlock& block, const float* queries, std::size_t rows,
            const std::uint8_t* visible, float* scores, AttentionRow* state, float* out) {
  const std::size_t hd = block.head_width;
  for_rows(rows, [&]<std::size_t R>(std::size_t r) {
    const std::size_t last = most(visible + r, R);
    for (std::size_t j = 0; j < last; j += kLanes) {
      F32x16 sums[R];
      dot_columns<R>(queries + r * hd, hd, block.keys + j, kBlockTokens, hd, sums);
      for (std::size_t i = 0; i < R; ++i) store(scores + (r + i) * kBlockTokens + j, sums[i]);
    }
  });
  float old_weights[4];
  float new_weights[4];
  for_rows(rows, [&]<std::size_t R>(std::size_t r) {
    for (std::size_t i = 0; i < R; ++i) {
      const AttentionRow here =
          softmax_block(scores + (r + i) * kBlockTokens, visible[r + i], block.scale);
      AttentionRow& before = state[r + i];
      const float top = before.max > here.max ? before.max : here.max;
      old_weights[i] = exp_one(before.max - top);
      new_weights[i] = exp_one(here.max - top);
      before.sum = before.sum * old_weights[i] + here.sum * new_weights[i];
      before.max = top;
    }
    // Past the last visible position all weights of these rows are 0.
    const std::size_t last = most(visible + r, R);
    for (std::size_t d = 0; d < hd; d += kLanes) {
      F32x16 sums[R];
      dot_columns<R>(scores + r * kBlockTokens, kBlockTokens, block.values + d, hd, last, sums);
      for (std::size_t i = 0; i < R; ++i) {
        float* o = out + (r + i) * hd + d;
        store(o, fma(sums[i], set1(new_weights[i]), mul(load(o), set1(old_weights[i]))));
      }
    }
  });
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
  // max(NaN, best) keeps best: the operand order of max() is part of simd.h.
  F32x16 best = set1(-kInfinity);
  for (std::size_t i = 0; i < n; i += kLanes) best = max(load_some(x + i, n - i, -kInfinity), best);
  const float top = max_lane(best);
  for (std::size_t i = 0; i < n; ++i) {
    if (x[i] == top) return i;
  }
  return 0;
}

constexpr VectorKernels kVectorKernels = {
    rms_norm,      add,    silu_multiply, rotate_neighbours,   rotate_halves, to_half,
    round_to_half, attend, exponentiate,  sum_of_exponentials, argmax};

}  // namespace
}  // namespace weft::inference::cpu
