#pragma once
// The product of packed weights with one row of activations: bound by how fast memory delivers the
// weights, which are unpacked as they come. The order of sums is that of multiply_impl.h.

#include "inference/cpu/formats_impl.h"
#include "inference/cpu/kernels.h"

namespace weft::inference::cpu {
namespace {

// A product of one row reads kStreams groups at a time, which lie apart: memory answers several
// streams at once better than one. kPrefetchBytes is how far ahead of its use it is asked: time
// enough for it to come, while the lines that are under way still fit into what a core can await.
// Measured on a CPU of each level; on the one with AVX2 alone four streams read 1.4 times as much.
#if WEFT_SIMD_LEVEL == 1
constexpr std::size_t kStreams = 4;
#else
constexpr std::size_t kStreams = 1;
#endif
constexpr std::size_t kPrefetchBytes = 1024;

WEFT_INLINE void prefetch(const std::uint8_t* from, std::size_t bytes) {
  WEFT_UNROLL
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + kPrefetchBytes + i);
#if WEFT_SIMD_LEVEL == 1
  // Or the compiler asks for a whole block at once, more than is answered at a time.
  __asm__ volatile("" : : : "memory");
#endif
}

// Dot products of one block of 32: sum of (w - zero) * q.
template <typename Format>
WEFT_INLINE Ints dot_of_32(const std::uint8_t* quants, const std::uint8_t* x) {
  const auto* q = reinterpret_cast<const std::int8_t*>(x);
  const Dot begin =
      Format::kStart == kNoStart ? zero_ints() : first_sum<Format::kSum>(x + Format::kStart);
  Ints total = zero_ints();
  WEFT_UNROLL
  for (std::size_t part = 0; part < 8; part += Format::kDotsPerSum) {
    Dot sum = part == 0 ? begin : zero_ints();
    WEFT_UNROLL
    for (std::size_t i = part; i < part + Format::kDotsPerSum; ++i) {
      sum = add_products<Format::kSum>(sum, Format::weights(quants, i), load_fours(q + 4 * i));
    }
    total = add_ints(total, to_ints<Format::kSum>(sum));
  }
  return total;
}

template <typename Format>
struct RowOf32 {
  static constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
  static constexpr std::size_t kBlockBytes = kQuantBytes + (Format::kHasMin ? 4 : 2) * kGroupRows;
  static constexpr std::size_t kColumns = 32;
  static constexpr std::size_t kActivationBytes = Block32::kBytes;

  WEFT_INLINE static Floats add_block(const std::uint8_t* block, const std::uint8_t* x,
                                      Floats sum) {
    prefetch(block, kBlockBytes);
    const Floats d = load_halves(block + kQuantBytes);
    sum = fma(mul(d, broadcast(load_float(x + Block32::kScale))),
              to_floats(dot_of_32<Format>(block, x)), sum);
    if constexpr (Format::kHasMin) {
      const Floats m = load_halves(block + kQuantBytes + 2 * kGroupRows);
      sum = fma(m, broadcast(load_float(x + Block32::kScaledSum)), sum);
    }
    return sum;
  }
};

// total + scale * the dot product of sub-block 2 p + kWhich.
template <typename Format, int kWhich>
WEFT_INLINE Ints add_sub_block(const std::uint8_t* quants, const std::uint8_t* x, std::size_t p,
                               const Pairs& scales, Ints total) {
  const std::size_t sub = 2 * p + kWhich;
  const Scale scale = scale_of<kWhich>(scales);
  const auto* q = reinterpret_cast<const std::int8_t*>(x) + 4 * Format::kDots * sub;
  WEFT_UNROLL
  for (std::size_t part = 0; part < Format::kDots; part += Format::kDotsPerSum) {
    Dot sum = Format::kHasStart ? start_dot(x + Block256::kStarts + 4 * sub) : zero_ints();
    WEFT_UNROLL
    for (std::size_t i = part; i < part + Format::kDotsPerSum; ++i) {
      sum = dot(sum, Format::weights(quants, p, kWhich, i), load_fours(q + 4 * i));
    }
    total = add_scaled(total, sum, scale);
  }
  return total;
}

template <typename Format>
struct RowOf256 {
  static constexpr std::size_t kPairBytes = 2 * Format::kPairs * kGroupRows;
  static constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
  static constexpr std::size_t kSideBytes =
      (Format::kHasMin ? 2 : 1) * (kPairBytes + 2 * kGroupRows);
  static constexpr std::size_t kBlockBytes = kQuantBytes + kSideBytes;
  static constexpr std::size_t kColumns = 256;
  static constexpr std::size_t kActivationBytes = Block256::kBytes;

  WEFT_INLINE static Floats add_block(const std::uint8_t* block, const std::uint8_t* x,
                                      Floats sum) {
    const std::uint8_t* side = block + kQuantBytes;
    Ints total = zero_ints();
    WEFT_UNROLL
    for (std::size_t p = 0; p < Format::kPairs; ++p) {
      prefetch(block + kQuantBytes / Format::kPairs * p, kQuantBytes / Format::kPairs);
      const Pairs scales = load_pairs(side + 2 * kGroupRows * p);
      total = add_sub_block<Format, 0>(block, x, p, scales, total);
      total = add_sub_block<Format, 1>(block, x, p, scales, total);
    }
    prefetch(side, kSideBytes);
    const std::uint8_t* minima = side + kPairBytes;
    const std::uint8_t* d = Format::kHasMin ? minima + kPairBytes : minima;
    const float scale = load_float(x + Block256::kScale);
    sum = fma(mul(load_halves(d), broadcast(scale)), to_floats(total), sum);
    if constexpr (Format::kHasMin) {
      const auto* x_sums = reinterpret_cast<const std::int16_t*>(x + Block256::kSums);
      Ints least = zero_ints();
      WEFT_UNROLL
      for (std::size_t p = 0; p < Format::kPairs; ++p) {
        least = add_pairs(least, load_pairs(minima + 2 * kGroupRows * p), x_sums + 2 * p);
      }
      sum = fma(mul(load_halves(d + 2 * kGroupRows), broadcast(-scale)), to_floats(least), sum);
    }
    return sum;
  }
};

/// One group of each stream, at `from`, with x.
template <typename Row, std::size_t kGroups>
WEFT_INLINE void multiply_groups(const std::uint8_t* const (&from)[kGroups], const std::uint8_t* x,
                                 std::size_t columns, Floats (&sums)[kGroups]) {
  for (Floats& sum : sums) sum = zero_floats();
  std::size_t at = 0;
  for (std::size_t column = 0; column < columns; column += Row::kColumns) {
    for (std::size_t s = 0; s < kGroups; ++s) sums[s] = Row::add_block(from[s] + at, x, sums[s]);
    at += Row::kBlockBytes;
    x += Row::kActivationBytes;
  }
}

/// y[r] = W[r] . x for r in [begin, end).
template <typename Row>
void multiply_row(const PackedView& weights, const std::uint8_t* x, std::size_t begin,
                  std::size_t end, float* y) {
  const auto group = [&](std::size_t row) {
    return weights.groups + row / kGroupRows * weights.group_bytes;
  };
  const std::size_t stream = (end - begin) / (kStreams * kGroupRows) * kGroupRows;  // rows of one
  std::size_t row = begin;
  for (; row < begin + stream; row += kGroupRows) {
    const std::uint8_t* from[kStreams];
    for (std::size_t s = 0; s < kStreams; ++s) from[s] = group(row + s * stream);
    Floats sums[kStreams];
    multiply_groups<Row>(from, x, weights.columns, sums);
    for (std::size_t s = 0; s < kStreams; ++s) store(y + row + s * stream, sums[s]);
  }
  // What doesn't go into the streams evenly, the last group perhaps cut short.
  for (row = begin + kStreams * stream; row < end; row += kGroupRows) {
    const std::uint8_t* const from[1] = {group(row)};
    Floats sums[1];
    multiply_groups<Row>(from, x, weights.columns, sums);
    float buffer[kGroupRows];
    store(buffer, sums[0]);
    for (std::size_t r = 0; r < kGroupRows && row + r < end; ++r) y[row + r] = buffer[r];
  }
}

}  // namespace
}  // namespace weft::inference::cpu
