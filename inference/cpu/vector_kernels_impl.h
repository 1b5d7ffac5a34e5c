#pragma once
// The bodies of the vector kernels, written once over the 16-lane type of simd.h and compiled for
// each level by vector_kernels_LEVEL.cpp. Everything is
// in an unnamed namespace, so that the linker cannot merge code of different levels.
// Compiled with -ffp-contract=off: a fused multiply-add stands where fma() is written, only there.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "inference/cpu/simd.h"
#include "inference/cpu/vector_kernels.h"

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlockTokens = 64;
constexpr std::size_t kBlockVectors = kBlockTokens / kLanes;

/// Calls body(vector offset) for whole vectors and tail(padded, offset, count) for what is left.
/// A tail goes through a padded copy, so that each value meets the same operations.
template <typename Body>
inline void map(float* x, std::size_t n, const Body& body) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(F16::load(x + i), i).store(x + i);
  if (i < n) {
    float padded[kLanes] = {};
    std::copy_n(x + i, n - i, padded);
    body(F16::load(padded), i).store(padded);
    std::copy_n(padded, n - i, x + i);
  }
}

inline F16 load_some(const float* x, std::size_t n, float rest) {
  if (n >= kLanes) return F16::load(x);
  float padded[kLanes];
  std::fill_n(padded, kLanes, rest);
  std::copy_n(x, n, padded);
  return F16::load(padded);
}

void rms_norm(const float* x, const float* weight, float epsilon, std::size_t n, float* out) {
  F16 sum = F16::zero();
  for (std::size_t i = 0; i < n; i += kLanes) {
    const F16 v = load_some(x + i, n - i, 0);
    sum = fma(v, v, sum);
  }
  const float scale = 1 / std::sqrt(reduce_add(sum) / static_cast<float>(n) + epsilon);
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void add(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] += y[i];
}

void silu_multiply(float* gate, const float* up, std::size_t n) {
  const F16 one = F16::set1(1);
  map(gate, n, [&](F16 g, std::size_t i) {
    const F16 denominator = one + exp(F16::zero() - g);
    return g / denominator * load_some(up + i, n - i, 0);
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
  for (; i + kLanes <= n; i += kLanes) F16::load(x + i).store_half(out + i);
  if (i < n) {
    std::uint16_t padded[kLanes];
    load_some(x + i, n - i, 0).store_half(padded);
    std::copy_n(padded, n - i, out + i);
  }
}

void round_to_half(float* x, std::size_t n) {
  map(x, n, [](F16 v, std::size_t) {
    std::uint16_t half[kLanes];
    v.store_half(half);
    return F16::load_half(half);
  });
}

/// out[r][0..16) = sum over k of a[r][k] * b[k][0..16), k in order, for R rows.
template <std::size_t R>
inline void dot_columns(const float* a, std::size_t a_stride, const std::uint16_t* b,
                        std::size_t b_stride, std::size_t depth, F16 (&sums)[R]) {
  for (F16& sum : sums) sum = F16::zero();
  for (std::size_t k = 0; k < depth; ++k) {
    const F16 column = F16::load_half(b + k * b_stride);
    for (std::size_t r = 0; r < R; ++r) sums[r] = fma(F16::set1(a[r * a_stride + k]), column, sums[r]);
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
    scores[j] = -std::numeric_limits<float>::infinity();
  }
  F16 v[kBlockVectors];
  for (std::size_t j = 0; j < kBlockVectors; ++j) {
    v[j] = F16::load(scores + j * kLanes) * F16::set1(scale);
  }
  const float top = reduce_max(max(max(v[0], v[1]), max(v[2], v[3])));
  F16 sum = F16::zero();
  for (std::size_t j = 0; j < kBlockVectors; ++j) {
    const F16 p = exp(v[j] - F16::set1(top));
    p.store(scores + j * kLanes);
    sum = sum + p;
  }
  return {top, reduce_add(sum)};
}

/// e^x of one value: the same polynomial.
inline float exp_one(float x) {
  float lanes[kLanes];
  exp(F16::set1(x)).store(lanes);
  return lanes[0];
}

void attend(const AttentionBlock& block, const float* queries, std::size_t rows,
            const std::uint8_t* visible, float* scores, AttentionRow* state, float* out) {
  const std::size_t hd = block.head_width;
  for_rows(rows, [&]<std::size_t R>(std::size_t r) {
    const std::size_t last = *std::max_element(visible + r, visible + r + R);
    for (std::size_t j = 0; j < last; j += kLanes) {
      F16 sums[R];
      dot_columns<R>(queries + r * hd, hd, block.keys + j, kBlockTokens, hd, sums);
      for (std::size_t i = 0; i < R; ++i) sums[i].store(scores + (r + i) * kBlockTokens + j);
    }
  });
  float old_weights[4];
  float new_weights[4];
  for_rows(rows, [&]<std::size_t R>(std::size_t r) {
    for (std::size_t i = 0; i < R; ++i) {
      const AttentionRow here =
          softmax_block(scores + (r + i) * kBlockTokens, visible[r + i], block.scale);
      AttentionRow& before = state[r + i];
      const float top = std::max(before.max, here.max);
      old_weights[i] = exp_one(before.max - top);
      new_weights[i] = exp_one(here.max - top);
      before.sum = before.sum * old_weights[i] + here.sum * new_weights[i];
      before.max = top;
    }
    // Past the last visible position all weights of these rows are 0.
    const std::size_t last = *std::max_element(visible + r, visible + r + R);
    for (std::size_t d = 0; d < hd; d += kLanes) {
      F16 sums[R];
      dot_columns<R>(scores + r * kBlockTokens, kBlockTokens, block.values + d, hd, last, sums);
      for (std::size_t i = 0; i < R; ++i) {
        float* o = out + (r + i) * hd + d;
        fma(sums[i], F16::set1(new_weights[i]), F16::load(o) * F16::set1(old_weights[i])).store(o);
      }
    }
  });
}

void exponentiate(float* x, std::size_t n) {
  map(x, n, [](F16 v, std::size_t) { return exp(v); });
}

double sum_of_exponentials(const float* x, std::size_t n, float max) {
  // A float sum over a whole vocabulary would lose digits: partial sums of a few vectors each.
  constexpr std::size_t kPart = 64 * kLanes;
  double total = 0;
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    const std::size_t end = std::min(begin + kPart, n);
    F16 sum = F16::zero();
    for (std::size_t i = begin; i < end; i += kLanes) {
      sum = sum + exp(load_some(x + i, end - i, -std::numeric_limits<float>::infinity()) -
                      F16::set1(max));
    }
    total += static_cast<double>(reduce_add(sum));
  }
  return total;
}

std::size_t argmax(const float* x, std::size_t n) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  // max(NaN, best) keeps best: the operand order of max() is part of simd.h.
  F16 best = F16::set1(kLowest);
  for (std::size_t i = 0; i < n; i += kLanes) best = max(load_some(x + i, n - i, kLowest), best);
  const float top = reduce_max(best);
  for (std::size_t i = 0; i < n; ++i) {
    if (x[i] == top) return i;
  }
  return 0;
}

constexpr VectorKernels kVectorKernels = {
    rms_norm,   add,           silu_multiply, rotate_neighbours,   rotate_halves, to_half,
    round_to_half, attend, exponentiate,  sum_of_exponentials, argmax};

}  // namespace
}  // namespace weft::inference::cpu
