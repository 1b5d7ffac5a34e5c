#pragma once
// The product of packed weights with activations: one template for all formats and levels. A tile
// is one group of weight rows by 1 to kTileRows rows of activations.
//
// The value of an output, which every level computes in just this order:
//   blocks of 32     y = fma(d * a.scale, dot, y), then with a minimum y = fma(m, a.scaled_sum, y)
//   blocks of 256    y = fma(d * a.scale, sum of scale_j * dot_j, y), then with minima
//                    y = fma(dmin * -a.scale, sum of min_j * sum_j, y)
//   floats           four sums by column mod 4, each y = fma(w, x, y); (0 + 1) + (2 + 3)
// block after block from y = 0; integer sums are exact.

#include "inference/cpu/formats_impl.h"
#include "inference/cpu/kernels.h"
#include "inference/cpu/matrix_layout.h"

// The scalar twin stays as it is written: unrolled, its arrays keep the compiler busy for minutes.
#if WEFT_SIMD_LEVEL == 0
#define WEFT_UNROLL
#define WEFT_INLINE inline
#else
#define WEFT_UNROLL _Pragma("GCC unroll 8")
#define WEFT_INLINE [[gnu::always_inline]] inline
#endif

namespace weft::inference::cpu {
namespace {

inline float load_float(const std::uint8_t* from) {
  float value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

inline const std::int8_t* as_int8(const std::uint8_t* p) {
  return reinterpret_cast<const std::int8_t*>(p);
}
inline const std::int16_t* as_int16(const std::uint8_t* p) {
  return reinterpret_cast<const std::int16_t*>(p);
}

// With one slot the product waits for memory. Quants and the numbers beside them are two streams of
// short pieces, which the hardware's prefetcher keeps losing: ask for the group's bytes in order.
constexpr std::size_t kPrefetchBytes = 4096;  // ahead; 2 to 8 KiB measure alike

template <std::size_t kBytes>
WEFT_INLINE void prefetch_ahead(const std::uint8_t* at) {
  WEFT_UNROLL
  for (std::size_t i = 0; i < kBytes; i += 64) prefetch(at + kPrefetchBytes + i);
}

// The dot products of one block of 32 with each slot: out[t] = sum of (w - zero) * q.
template <typename Format, int kSlots>
WEFT_INLINE void dot_32(const std::uint8_t* quants, const std::uint8_t* x, Ints* out) {
  const std::int16_t* offsets = as_int16(x + Block32::kOffsets * kSlots);
  Bytes w[8];
  WEFT_UNROLL
  for (std::size_t i = 0; i < 8; ++i) w[i] = Format::weights(quants, i);
  WEFT_UNROLL
  for (int t = 0; t < kSlots; ++t) {
    const std::int8_t* q = as_int8(x) + 32 * t;
    Dot sum = start<Format::kZero>(offsets + 2 * t);
    WEFT_UNROLL
    for (std::size_t i = 0; i < Format::kDotsPerSum; ++i) sum = dot(sum, w[i], q + 4 * i);
    out[t] = widen(sum);
    if constexpr (Format::kDotsPerSum < 8) {
      Dot rest = start<0>(offsets);
      WEFT_UNROLL
      for (std::size_t i = Format::kDotsPerSum; i < 8; ++i) rest = dot(rest, w[i], q + 4 * i);
      out[t] = add_ints(out[t], widen(rest));
    }
  }
}

#if WEFT_SIMD_LEVEL == 1
// Weights of 8 bits as two planes of 4: w - 128 = 16 * (high - 8) + low.
template <int kSlots>
WEFT_INLINE void dot_32_in_planes(const std::uint8_t* quants, const std::uint8_t* x, Ints* out) {
  const std::int16_t* offsets = as_int16(x + Block32::kOffsets * kSlots);
  Bytes w[8];
  WEFT_UNROLL
  for (std::size_t i = 0; i < 8; ++i) w[i] = bits(Q8_0::weights(quants, i), 0, 15);
  WEFT_UNROLL
  for (int t = 0; t < kSlots; ++t) {
    Dot sum = start<0>(offsets);
    WEFT_UNROLL
    for (std::size_t i = 0; i < 8; ++i) sum = dot(sum, w[i], as_int8(x) + 32 * t + 4 * i);
    out[t] = widen(sum);
  }
  // Load the activations again: the compiler would keep all of them, in registers that aren't
  // there.
  __asm__ volatile("" : : : "memory");
  WEFT_UNROLL
  for (std::size_t i = 0; i < 8; ++i) w[i] = bits(Q8_0::weights(quants, i), 4, 15);
  WEFT_UNROLL
  for (int t = 0; t < kSlots; ++t) {
    Dot sum = start<8>(offsets + 2 * t);
    WEFT_UNROLL
    for (std::size_t i = 0; i < 8; ++i) sum = dot(sum, w[i], as_int8(x) + 32 * t + 4 * i);
    out[t] = add_ints(out[t], widen_by_16(sum));
  }
}
template <>
WEFT_INLINE void dot_32<Q8_0, 1>(const std::uint8_t* q, const std::uint8_t* x, Ints* out) {
  dot_32_in_planes<1>(q, x, out);
}
template <>
WEFT_INLINE void dot_32<Q8_0, 2>(const std::uint8_t* q, const std::uint8_t* x, Ints* out) {
  dot_32_in_planes<2>(q, x, out);
}
template <>
WEFT_INLINE void dot_32<Q8_0, 3>(const std::uint8_t* q, const std::uint8_t* x, Ints* out) {
  dot_32_in_planes<3>(q, x, out);
}
template <>
WEFT_INLINE void dot_32<Q8_0, 4>(const std::uint8_t* q, const std::uint8_t* x, Ints* out) {
  dot_32_in_planes<4>(q, x, out);
}
#endif

template <typename Format>
struct Of32 {
  template <int kSlots>
  static void tile(const std::uint8_t* group, const std::uint8_t* x, std::size_t columns, float* y,
                   std::size_t y_stride) {
    constexpr std::size_t kSideBytes = (Format::kHasMin ? 4 : 2) * kGroupRows;
    constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
    const std::uint8_t* quants = group;
    const std::uint8_t* side = group + columns / 32 * kQuantBytes;
    const std::uint8_t* end = side;
    Floats sums[kSlots];
    for (auto& sum : sums) sum = zero_floats();
    const std::uint8_t* ahead = group;
    for (; quants != end; quants += kQuantBytes) {
      if constexpr (kSlots == 1) prefetch_ahead<kQuantBytes + kSideBytes>(ahead);
      ahead += kQuantBytes + kSideBytes;
      Ints dots[kSlots];
      dot_32<Format, kSlots>(quants, x, dots);
      const Floats d = load_halves(side);
      WEFT_UNROLL
      for (int t = 0; t < kSlots; ++t) {
        const float scale = load_float(x + Block32::kScale * kSlots + 4 * t);
        sums[t] = fma(mul(d, broadcast(scale)), to_floats(dots[t]), sums[t]);
      }
      if constexpr (Format::kHasMin) {
        const Floats m = load_halves(side + 2 * kGroupRows);
        WEFT_UNROLL
        for (int t = 0; t < kSlots; ++t) {
          const float sum = load_float(x + Block32::kScaledSum * kSlots + 4 * t);
          sums[t] = fma(m, broadcast(sum), sums[t]);
        }
      }
      side += kSideBytes;
      x += Block32::kBytes * kSlots;
    }
    for (int t = 0; t < kSlots; ++t) store(y + static_cast<std::size_t>(t) * y_stride, sums[t]);
  }
};

// totals[t] += scale * the dot products of sub-block 2 p + kWhich with each slot.
template <typename Format, int kSlots, int kWhich>
WEFT_INLINE void add_sub_block(const std::uint8_t* quants, const std::uint8_t* x, std::size_t p,
                               const Pairs& scales, Ints* totals) {
  constexpr std::size_t kValues = 4 * Format::kDots;
  const std::size_t sub = 2 * p + kWhich;
  const Scale scale = scale_of<kWhich>(scales);
  const std::int16_t* offsets = as_int16(x + Block256::kOffsets * kSlots) + 2 * sub;
  WEFT_UNROLL
  for (std::size_t part = 0; part < Format::kDots; part += Format::kDotsPerSum) {
    Bytes w[Format::kDotsPerSum];
    WEFT_UNROLL
    for (std::size_t i = 0; i < Format::kDotsPerSum; ++i) {
      w[i] = Format::weights(quants, p, kWhich, part + i);
    }
    WEFT_UNROLL
    for (int t = 0; t < kSlots; ++t) {
      const std::int8_t* q = as_int8(x) + 256 * t + kValues * sub + 4 * part;
      Dot sum = start<Format::kZero>(offsets + 32 * t);
      WEFT_UNROLL
      for (std::size_t i = 0; i < Format::kDotsPerSum; ++i) sum = dot(sum, w[i], q + 4 * i);
      totals[t] = add_scaled(totals[t], sum, scale);
    }
  }
}

template <typename Format>
struct Of256 {
  template <int kSlots>
  static void tile(const std::uint8_t* group, const std::uint8_t* x, std::size_t columns, float* y,
                   std::size_t y_stride) {
    constexpr std::size_t kPairBytes = 2 * Format::kPairs * kGroupRows;
    constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
    const std::uint8_t* quants = group;
    const std::uint8_t* side = group + columns / 256 * kQuantBytes;
    const std::uint8_t* end = side;
    Floats sums[kSlots];
    for (auto& sum : sums) sum = zero_floats();
    constexpr std::size_t kSideBytes =
        kPairBytes + 2 * kGroupRows + (Format::kHasMin ? kPairBytes + 2 * kGroupRows : 0);
    const std::uint8_t* ahead = group;
    for (; quants != end; quants += kQuantBytes) {
      if constexpr (kSlots == 1) prefetch_ahead<kQuantBytes + kSideBytes>(ahead);
      ahead += kQuantBytes + kSideBytes;
      Ints totals[kSlots];
      for (auto& total : totals) total = zero_ints();
      WEFT_UNROLL
      for (std::size_t p = 0; p < Format::kPairs; ++p) {
        const Pairs scales = load_pairs(side + 2 * kGroupRows * p);
        add_sub_block<Format, kSlots, 0>(quants, x, p, scales, totals);
        add_sub_block<Format, kSlots, 1>(quants, x, p, scales, totals);
      }
      side += kPairBytes;
      const std::uint8_t* minima = side;
      if constexpr (Format::kHasMin) side += kPairBytes;
      const Floats d = load_halves(side);
      side += 2 * kGroupRows;
      const std::uint8_t* scales = x + Block256::kScale * kSlots;
      WEFT_UNROLL
      for (int t = 0; t < kSlots; ++t) {
        sums[t] = fma(mul(d, broadcast(load_float(scales + 4 * t))), to_floats(totals[t]), sums[t]);
      }
      if constexpr (Format::kHasMin) {
        const Floats dmin = load_halves(side);
        side += 2 * kGroupRows;
        const std::int16_t* x_sums = as_int16(x + Block256::kSums * kSlots);
        WEFT_UNROLL
        for (int t = 0; t < kSlots; ++t) {
          Ints total = zero_ints();
          WEFT_UNROLL
          for (std::size_t p = 0; p < Format::kPairs; ++p) {
            total =
                add_pairs(total, load_pairs(minima + 2 * kGroupRows * p), x_sums + 8 * t + 2 * p);
          }
          const Floats step = mul(dmin, broadcast(-load_float(scales + 4 * t)));
          sums[t] = fma(step, to_floats(total), sums[t]);
        }
      }
      x += Block256::kBytes * kSlots;
    }
    for (int t = 0; t < kSlots; ++t) store(y + static_cast<std::size_t>(t) * y_stride, sums[t]);
  }
};

template <typename Format>
struct OfFloats {
  template <int kSlots>
  static void tile(const std::uint8_t* group, const std::uint8_t* x, std::size_t columns, float* y,
                   std::size_t y_stride) {
    // More than two slots at once would need more sums than there are registers.
    constexpr int kAtOnce = kSlots % 2 == 0 ? 2 : 1;
    for (int first = 0; first < kSlots; first += kAtOnce) {
      Floats sums[kAtOnce][4];
      for (auto& row : sums) {
        for (auto& sum : row) sum = zero_floats();
      }
      const std::uint8_t* w = group;
      const std::uint8_t* at = x + 4 * first;
      for (std::size_t column = 0; column < columns; column += 4) {
        WEFT_UNROLL
        for (int j = 0; j < 4; ++j) {
          const Floats weights = Format::column(w);
          WEFT_UNROLL
          for (int t = 0; t < kAtOnce; ++t) {
            sums[t][j] = fma(weights, broadcast(load_float(at + 4 * t)), sums[t][j]);
          }
          w += Format::kBytes * kGroupRows;
          at += 4 * kSlots;
        }
      }
      for (int t = 0; t < kAtOnce; ++t) {
        store(y + static_cast<std::size_t>(first + t) * y_stride,
              add(add(sums[t][0], sums[t][1]), add(sums[t][2], sums[t][3])));
      }
    }
  }
};

using TileFunction = void(const std::uint8_t* group, const std::uint8_t* x, std::size_t columns,
                          float* y, std::size_t y_stride);

struct TileFunctions {
  TileFunction* of_slots[kTileRows];
};

template <typename Product>
constexpr TileFunctions kTilesOf = {{&Product::template tile<1>, &Product::template tile<2>,
                                     &Product::template tile<3>, &Product::template tile<4>}};

inline const TileFunctions& tile_functions(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return kTilesOf<OfFloats<F32>>;
    case TensorType::kF16:
      return kTilesOf<OfFloats<F16>>;
    case TensorType::kBF16:
      return kTilesOf<OfFloats<BF16>>;
    case TensorType::kQ4_0:
      return kTilesOf<Of32<Q4_0>>;
    case TensorType::kQ4_1:
      return kTilesOf<Of32<Q4_1>>;
    case TensorType::kQ5_0:
      return kTilesOf<Of32<Q5_0>>;
    case TensorType::kQ5_1:
      return kTilesOf<Of32<Q5_1>>;
    case TensorType::kQ8_0:
      return kTilesOf<Of32<Q8_0>>;
    case TensorType::kQ4_K:
      return kTilesOf<Of256<Q4_K>>;
    case TensorType::kQ5_K:
      return kTilesOf<Of256<Q5_K>>;
    case TensorType::kQ6_K:
      return kTilesOf<Of256<Q6_K>>;
  }
  return kTilesOf<OfFloats<F32>>;
}

// One group with one tile; a group that `rows` cuts short goes through a buffer.
inline void multiply_tile(const TileFunctions& functions, const std::uint8_t* group,
                          const ActivationView& x, std::size_t tile, std::size_t rows, float* y,
                          std::size_t y_stride) {
  const std::size_t first = tile * kTileRows;
  const std::size_t slots = x.count - first < kTileRows ? x.count - first : kTileRows;
  TileFunction* function = functions.of_slots[slots - 1];
  const std::uint8_t* from = x.tiles + first * x.row_bytes;
  float* to = y + first * y_stride;
  if (rows == kGroupRows) return function(group, from, x.columns, to, y_stride);
  float buffer[kTileRows * kGroupRows];
  function(group, from, x.columns, buffer, kGroupRows);
  for (std::size_t t = 0; t < slots; ++t) {
    for (std::size_t r = 0; r < rows; ++r) to[t * y_stride + r] = buffer[t * kGroupRows + r];
  }
}

// Activations that stay in half of a common L2 cache while all weights pass by.
constexpr std::size_t kPanelBytes = 256 * 1024;

void multiply(const PackedView& weights, const ActivationView& x, std::size_t begin,
              std::size_t end, float* y, std::size_t y_stride) {
  const TileFunctions& functions = tile_functions(weights.type);
  const std::size_t tiles = (x.count + kTileRows - 1) / kTileRows;
  const std::size_t fitting = kPanelBytes / (x.row_bytes * kTileRows);
  const std::size_t panel = fitting < 1 ? 1 : fitting;
  for (std::size_t first = 0; first < tiles; first += panel) {
    const std::size_t last = first + panel < tiles ? first + panel : tiles;
    for (std::size_t row = begin; row < end; row += kGroupRows) {
      const std::uint8_t* group = weights.groups + row / kGroupRows * weights.group_bytes;
      const std::size_t rows = end - row < kGroupRows ? end - row : kGroupRows;
      for (std::size_t tile = first; tile < last; ++tile) {
        multiply_tile(functions, group, x, tile, rows, y + row, y_stride);
      }
    }
  }
}

}  // namespace
}  // namespace weft::inference::cpu
