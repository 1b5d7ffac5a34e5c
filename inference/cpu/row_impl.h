#pragma once
// The product of packed weights with one row of activations: bound by how fast memory delivers the
// weights, which are unpacked as they come. The order of sums is that of multiply_impl.h.

#include "inference/cpu/formats_impl.h"
#include "inference/cpu/kernels.h"

namespace weft::inference::cpu {
namespace {

// How far ahead of its use memory is asked for: time enough for it to come, while the lines that
// are under way still fit into what a core can await. Measured on a CPU of each level, where a core
// without this gets three quarters of what it can read.
#if WEFT_SIMD_LEVEL == 1
constexpr std::size_t kPrefetchBytes = 2048;
#else
constexpr std::size_t kPrefetchBytes = 1024;
#endif

template <std::size_t kAhead = kPrefetchBytes>
WEFT_INLINE void prefetch(const std::uint8_t* from, std::size_t bytes) {
  WEFT_UNROLL
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + kAhead + i);
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
  static Floats group(const std::uint8_t* block, const std::uint8_t* x, std::size_t columns) {
    constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
    constexpr std::size_t kBlockBytes = kQuantBytes + (Format::kHasMin ? 4 : 2) * kGroupRows;
    Floats sum = zero_floats();
    for (std::size_t b = 0; b < columns / 32; ++b) {
      prefetch(block, kBlockBytes);
      const Floats d = load_halves(block + kQuantBytes);
      sum = fma(mul(d, broadcast(load_float(x + Block32::kScale))),
                to_floats(dot_of_32<Format>(block, x)), sum);
      if constexpr (Format::kHasMin) {
        const Floats m = load_halves(block + kQuantBytes + 2 * kGroupRows);
        sum = fma(m, broadcast(load_float(x + Block32::kScaledSum)), sum);
      }
      block += kBlockBytes;
      x += Block32::kBytes;
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
  static constexpr std::size_t kAhead = kPrefetchBytes + Format::kReadAhead;

  static Floats group(const std::uint8_t* block, const std::uint8_t* x, std::size_t columns) {
    constexpr std::size_t kPairBytes = 2 * Format::kPairs * kGroupRows;
    constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
    Floats sum = zero_floats();
    for (std::size_t b = 0; b < columns / 256; ++b) {
      const std::uint8_t* side = block + kQuantBytes;
      Ints total = zero_ints();
      WEFT_UNROLL
      for (std::size_t p = 0; p < Format::kPairs; ++p) {
        prefetch<kAhead>(block + kQuantBytes / Format::kPairs * p, kQuantBytes / Format::kPairs);
        const Pairs scales = load_pairs(side + 2 * kGroupRows * p);
        total = add_sub_block<Format, 0>(block, x, p, scales, total);
        total = add_sub_block<Format, 1>(block, x, p, scales, total);
      }
      const std::uint8_t* minima = side + kPairBytes;
      const std::uint8_t* d = Format::kHasMin ? minima + kPairBytes : minima;
      prefetch<kAhead>(side, static_cast<std::size_t>(d - side) + 2 * kGroupRows);
      const float scale = load_float(x + Block256::kScale);
      sum = fma(mul(load_halves(d), broadcast(scale)), to_floats(total), sum);
      block = d + 2 * kGroupRows;
      if constexpr (Format::kHasMin) {
        const auto* x_sums = reinterpret_cast<const std::int16_t*>(x + Block256::kSums);
        Ints least = zero_ints();
        WEFT_UNROLL
        for (std::size_t p = 0; p < Format::kPairs; ++p) {
          least = add_pairs(least, load_pairs(minima + 2 * kGroupRows * p), x_sums + 2 * p);
        }
        sum = fma(mul(load_halves(block), broadcast(-scale)), to_floats(least), sum);
        block += 2 * kGroupRows;
      }
      x += Block256::kBytes;
    }
    return sum;
  }
};

/// y[r] = W[r] . x for r in [begin, end).
template <typename Row>
void multiply_row(const PackedView& weights, const std::uint8_t* x, std::size_t begin,
                  std::size_t end, float* y) {
  const std::uint8_t* group = weights.groups + begin / kGroupRows * weights.group_bytes;
  for (std::size_t row = begin; row < end; row += kGroupRows, group += weights.group_bytes) {
    const Floats sums = Row::group(group, x, weights.columns);
    if (end - row >= kGroupRows) {
      store(y + row, sums);
      continue;
    }
    float buffer[kGroupRows];
    store(buffer, sums);
    for (std::size_t r = 0; r < end - row; ++r) y[row + r] = buffer[r];
  }
}

}  // namespace
}  // namespace weft::inference::cpu
