#pragma once
// The product of weights with several rows of activations. The weights of a few groups and a run of
// columns are unpacked once into a buffer that stays in the cache, and meet every row there, tile
// after tile: kGroupsAtOnce groups by up to kTileRows rows in registers. The order of sums is that
// of multiply_impl.h, whatever the runs: a sum goes on from what `y` holds.

#include "inference/cpu/fetch_impl.h"
#include "inference/cpu/formats_impl.h"

namespace weft::inference::cpu {
namespace {

// A load of weights serves kTileRows rows, one of activations kGroupsAtOnce groups: as many as
// leave registers for the sums of each with each.
constexpr int kGroupsAtOnce = 2;

// Columns unpacked at a time, and how often kGroupsAtOnce groups.
constexpr std::size_t kRunColumns = 1536;
constexpr std::size_t kStepsMax = 4;

/// A piece of work: some groups' unpacked blocks and a tile of activations.
struct Tile {
  const std::uint8_t* weights;  // of the first group
  std::size_t group_bytes;      // from there to the next's
  const std::uint8_t* x;
  std::size_t blocks;
  float* y;  // row t's results go to y + t * y_stride
  std::size_t y_stride;
  std::size_t rows;  // of weights that are there: at most those of the groups
  bool go_on;        // from what y holds; else from 0
  Fetch ahead;       // weights that other tiles need next
};

template <int kSlots, int kGroups>
struct Sums {
  Floats at[kGroups][kSlots];

  explicit Sums(const Tile& tile) {
    if (tile.go_on && tile.rows < kGroups * kGroupRows) {
      read_part(tile);
      return;
    }
    WEFT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      WEFT_UNROLL
      for (int t = 0; t < kSlots; ++t) {
        // The results' lines, and the way to their pages, come while the tile is worked out.
        if (!tile.go_on) __builtin_prefetch(place(tile, g, t), 1);
        at[g][t] = tile.go_on ? load_floats(place(tile, g, t)) : zero_floats();
      }
    }
  }

  void write(const Tile& tile) const {
    if (tile.rows < kGroups * kGroupRows) return write_part(tile);
    WEFT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      WEFT_UNROLL
      for (int t = 0; t < kSlots; ++t) store(place(tile, g, t), at[g][t]);
    }
  }

 private:
  static float* place(const Tile& tile, int g, int t) {
    return tile.y + static_cast<std::size_t>(t) * tile.y_stride +
           static_cast<std::size_t>(g) * kGroupRows;
  }

  // Where fewer rows are left than the groups have.
  void read_part(const Tile& tile) {
    for (int t = 0; t < kSlots; ++t) {
      float buffer[kGroups * kGroupRows] = {};
      const float* from = place(tile, 0, t);
      for (std::size_t r = 0; r < tile.rows; ++r) buffer[r] = from[r];
      for (int g = 0; g < kGroups; ++g) {
        at[g][t] = load_floats(buffer + static_cast<std::size_t>(g) * kGroupRows);
      }
    }
  }
  void write_part(const Tile& tile) const {
    for (int t = 0; t < kSlots; ++t) {
      float buffer[kGroups * kGroupRows];
      for (int g = 0; g < kGroups; ++g) {
        store(buffer + static_cast<std::size_t>(g) * kGroupRows, at[g][t]);
      }
      float* to = place(tile, 0, t);
      for (std::size_t r = 0; r < tile.rows; ++r) to[r] = buffer[r];
    }
  }
};

// sums[g][t] += kDots vectors of weights of group g with as many fours of slot t. Slot by slot
// within a vector: neighbouring multiplies don't wait for each other.
template <int kDots, Sum kSum, int kSlots, int kGroups>
WEFT_INLINE void dot_tile(const std::uint8_t* w, std::size_t group_bytes, const std::int8_t* q,
                          std::size_t slot_bytes, Dot (&sums)[kGroups][kSlots]) {
  WEFT_UNROLL
  for (std::size_t i = 0; i < kDots; ++i) {
    Bytes weights[kGroups];
    WEFT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      weights[g] = get<Bytes>(w + static_cast<std::size_t>(g) * group_bytes + i * kVector);
    }
    WEFT_UNROLL
    for (int t = 0; t < kSlots; ++t) {
      const Fours a = load_fours(q + static_cast<std::size_t>(t) * slot_bytes + 4 * i);
      WEFT_UNROLL
      for (int g = 0; g < kGroups; ++g) {
        sums[g][t] = add_products<kSum>(sums[g][t], weights[g], a);
      }
    }
  }
}

template <Sum kSum, int kSlots, int kGroups>
WEFT_INLINE void start_tile(const std::uint8_t* starts, std::size_t slot_bytes,
                            Dot (&sums)[kGroups][kSlots]) {
  WEFT_UNROLL
  for (int t = 0; t < kSlots; ++t) {
    const Dot start = starts == nullptr
                          ? zero_ints()
                          : first_sum<kSum>(starts + static_cast<std::size_t>(t) * slot_bytes);
    WEFT_UNROLL
    for (int g = 0; g < kGroups; ++g) sums[g][t] = start;
  }
}

/// Blocks of 32, unpacked: 8 vectors of weights, then d and, if there is one, m.
template <std::size_t kStart, bool kHasMin, std::size_t kDotsPerSum, Sum kSum>
struct TileOf32 {
  static constexpr std::size_t kBlockVectors = 8 + (kHasMin ? 2 : 1);

  template <int kSlots, int kGroups = kGroupsAtOnce>
  static void tile(const Tile& work) {
    const std::uint8_t* w = work.weights;
    const std::uint8_t* x = work.x;
    Sums<kSlots, kGroups> sums(work);
    Fetch ahead = work.ahead;
    for (std::size_t b = 0; b < work.blocks; ++b) {
      ahead.next_block();
      Ints dots[kGroups][kSlots];
      dot_block<kSlots, kGroups>(w, work.group_bytes, x, dots);
      const std::uint8_t* side = w + 8 * kVector;
      for (int g = 0; g < kGroups; ++g) {
        const std::uint8_t* of_group = side + static_cast<std::size_t>(g) * work.group_bytes;
        const Floats d = get<Floats>(of_group);
        WEFT_UNROLL
        for (int t = 0; t < kSlots; ++t) {
          const Floats scale = broadcast(load_float(x + Block32::kScale * kSlots + 4 * t));
          sums.at[g][t] = fma(mul(d, scale), to_floats(dots[g][t]), sums.at[g][t]);
        }
        if constexpr (kHasMin) {
          const Floats m = get<Floats>(of_group + kVector);
          WEFT_UNROLL
          for (int t = 0; t < kSlots; ++t) {
            const Floats sum = broadcast(load_float(x + Block32::kScaledSum * kSlots + 4 * t));
            sums.at[g][t] = fma(m, sum, sums.at[g][t]);
          }
        }
      }
      w += kBlockVectors * kVector;
      x += Block32::kBytes * kSlots;
    }
    sums.write(work);
  }

 private:
  template <int kSlots, int kGroups>
  WEFT_INLINE static void dot_block(const std::uint8_t* w, std::size_t group_bytes,
                                    const std::uint8_t* x, Ints (&out)[kGroups][kSlots]) {
    const auto* q = reinterpret_cast<const std::int8_t*>(x);
    const std::uint8_t* starts = kStart == kNoStart ? nullptr : x + kStart * kSlots;
    Dot sums[kGroups][kSlots];
    start_tile<kSum>(starts, 4, sums);
    dot_tile<kDotsPerSum, kSum>(w, group_bytes, q, 32, sums);
    for (int g = 0; g < kGroups; ++g) {
      for (int t = 0; t < kSlots; ++t) out[g][t] = to_ints<kSum>(sums[g][t]);
    }
    if constexpr (kDotsPerSum < 8) {
      start_tile<kSum>(nullptr, 0, sums);
      dot_tile<kDotsPerSum, kSum>(w + kDotsPerSum * kVector, group_bytes, q + 4 * kDotsPerSum, 32,
                                  sums);
      for (int g = 0; g < kGroups; ++g) {
        for (int t = 0; t < kSlots; ++t) out[g][t] = add_ints(out[g][t], widen(sums[g][t]));
      }
    }
  }
};

/// Blocks of 256, unpacked: sub-block after sub-block its weights and its scale; then the pairs of
/// minima; then d and dmin.
template <std::size_t kDots, std::size_t kDotsPerSum, bool kHasStart, bool kHasMin>
struct TileOf256 {
  static constexpr std::size_t kSubBlocks = 64 / kDots;
  static constexpr std::size_t kMinimaVectors = kHasMin ? kSubBlocks / 2 : 0;
  // Q4_K with AVX-512: the scales are unpacked as floats.
  static constexpr bool kInFloats = WEFT_SIMD_LEVEL == 2 && kDots == 8 && kDotsPerSum == 8;
  static constexpr std::size_t kBlockVectors =
      kSubBlocks * (kDots + 1) + kMinimaVectors + (kHasMin ? 2 : 1);

  template <int kSlots, int kGroups = kGroupsAtOnce>
  static void tile(const Tile& work) {
    const std::uint8_t* w = work.weights;
    const std::uint8_t* x = work.x;
    Sums<kSlots, kGroups> sums(work);
    Fetch ahead = work.ahead;
    for (std::size_t b = 0; b < work.blocks; ++b) {
      ahead.next_block();
      Floats totals[kGroups][kSlots];
      add_up<kSlots, kGroups>(w, work.group_bytes, x, totals);
      w += kSubBlocks * (kDots + 1) * kVector;
      const std::uint8_t* scales = x + Block256::kScale * kSlots;
      for (int g = 0; g < kGroups; ++g) {
        const std::uint8_t* minima = w + static_cast<std::size_t>(g) * work.group_bytes;
        const Floats d = get<Floats>(minima + kMinimaVectors * kVector);
        WEFT_UNROLL
        for (int t = 0; t < kSlots; ++t) {
          const Floats step = mul(d, broadcast(load_float(scales + 4 * t)));
          sums.at[g][t] = fma(step, totals[g][t], sums.at[g][t]);
        }
        if constexpr (kHasMin) {
          const Floats dmin = get<Floats>(minima + (kMinimaVectors + 1) * kVector);
          WEFT_UNROLL
          for (int t = 0; t < kSlots; ++t) {
            const auto* x_sums =
                reinterpret_cast<const std::int16_t*>(x + Block256::kSums * kSlots);
            Ints least = zero_ints();
            WEFT_UNROLL
            for (std::size_t p = 0; p < kMinimaVectors; ++p) {
              least = add_pairs(least, get<Pairs>(minima + p * kVector), x_sums + 8 * t + 2 * p);
            }
            const Floats step = mul(dmin, broadcast(-load_float(scales + 4 * t)));
            sums.at[g][t] = fma(step, to_floats(least), sums.at[g][t]);
          }
        }
      }
      w += (kMinimaVectors + (kHasMin ? 2 : 1)) * kVector;
      x += Block256::kBytes * kSlots;
    }
    sums.write(work);
  }

 private:
  // Sums of scale_j * dot_j, exact as integers and then rounded to floats.
  template <int kSlots, int kGroups>
  WEFT_INLINE static void add_up(const std::uint8_t* w, std::size_t group_bytes,
                                 const std::uint8_t* x, Floats (&out)[kGroups][kSlots]) {
#if WEFT_SIMD_LEVEL == 2
    if constexpr (kInFloats) return add_up_in_floats<kSlots, kGroups>(w, group_bytes, x, out);
#endif
    Ints totals[kGroups][kSlots];
    for (auto& of_group : totals) {
      for (auto& total : of_group) total = zero_ints();
    }
    for (std::size_t sub = 0; sub < kSubBlocks; ++sub) {
      add_sub_block<kSlots, kGroups>(w, group_bytes, x, sub, totals);
      w += (kDots + 1) * kVector;
    }
    for (int g = 0; g < kGroups; ++g) {
      for (int t = 0; t < kSlots; ++t) out[g][t] = to_floats(totals[g][t]);
    }
  }

#if WEFT_SIMD_LEVEL == 2
  // The same number by fused multiply-adds, which cost AVX-512 half of an integer multiplication:
  // half of the sub-blocks add up to at most 4 * 63 * 32 * 15 * 127, which a float holds exactly,
  // so that only the last addition rounds.
  template <int kSlots, int kGroups>
  WEFT_INLINE static void add_up_in_floats(const std::uint8_t* w, std::size_t group_bytes,
                                           const std::uint8_t* x, Floats (&out)[kGroups][kSlots]) {
    for (std::size_t half = 0; half < 2; ++half) {
      Floats totals[kGroups][kSlots];
      for (auto& of_group : totals) {
        for (auto& total : of_group) total = zero_floats();
      }
      for (std::size_t sub = half * kSubBlocks / 2; sub < (half + 1) * kSubBlocks / 2; ++sub) {
        Dot sums[kGroups][kSlots];
        start_tile<Sum::kDot>(nullptr, 0, sums);
        dot_tile<kDots, Sum::kDot>(
            w, group_bytes, reinterpret_cast<const std::int8_t*>(x) + 4 * kDots * sub, 256, sums);
        for (int g = 0; g < kGroups; ++g) {
          const Floats scale =
              get<Floats>(w + static_cast<std::size_t>(g) * group_bytes + kDots * kVector);
          WEFT_UNROLL
          for (int t = 0; t < kSlots; ++t) {
            totals[g][t] = fma(scale, to_floats(sums[g][t]), totals[g][t]);
          }
        }
        w += (kDots + 1) * kVector;
      }
      for (int g = 0; g < kGroups; ++g) {
        for (int t = 0; t < kSlots; ++t) {
          out[g][t] = half == 0 ? totals[g][t] : add(out[g][t], totals[g][t]);
        }
      }
    }
  }
#endif

  template <int kSlots, int kGroups>
  WEFT_INLINE static void add_sub_block(const std::uint8_t* w, std::size_t group_bytes,
                                        const std::uint8_t* x, std::size_t sub,
                                        Ints (&totals)[kGroups][kSlots]) {
    const auto* q = reinterpret_cast<const std::int8_t*>(x) + 4 * kDots * sub;
    const std::uint8_t* starts = kHasStart ? x + Block256::kStarts * kSlots + 4 * sub : nullptr;
    WEFT_UNROLL
    for (std::size_t part = 0; part < kDots; part += kDotsPerSum) {
      Dot sums[kGroups][kSlots];
      start_tile<Sum::kDot>(starts, 64, sums);
      dot_tile<kDotsPerSum, Sum::kDot>(w + part * kVector, group_bytes, q + 4 * part, 256, sums);
      for (int g = 0; g < kGroups; ++g) {
        const Scale scale =
            get<Scale>(w + static_cast<std::size_t>(g) * group_bytes + kDots * kVector);
        WEFT_UNROLL
        for (int t = 0; t < kSlots; ++t) {
          totals[g][t] = add_scaled(totals[g][t], sums[g][t], scale);
        }
      }
    }
  }
};

/// From the packed form of some blocks of one group to the unpacked.
template <typename Format>
struct UnpackOf32 {
  using Product = TileOf32<Format::kStart, Format::kHasMin, Format::kDotsPerSum, Format::kSum>;
  static constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
  static constexpr std::size_t kBlockBytes = kQuantBytes + (Format::kHasMin ? 4 : 2) * kGroupRows;

  static void unpack(const std::uint8_t* from, std::size_t blocks, std::uint8_t* to) {
    for (std::size_t b = 0; b < blocks; ++b) {
      WEFT_UNROLL
      for (std::size_t i = 0; i < 8; ++i) {
        put(to + i * kVector, Format::weights(from, i));
      }
      to += 8 * kVector;
      put(to, load_halves(from + kQuantBytes));
      to += kVector;
      if constexpr (Format::kHasMin) {
        put(to, load_halves(from + kQuantBytes + 2 * kGroupRows));
        to += kVector;
      }
      from += kBlockBytes;
    }
  }
};

template <typename Format>
struct UnpackOf256 {
  using Product = TileOf256<Format::kDots, Format::kDotsPerSum, Format::kHasStart, Format::kHasMin>;
  static constexpr std::size_t kQuantBytes = Format::kQuantBytes * kGroupRows;
  static constexpr std::size_t kPairBytes = 2 * Format::kPairs * kGroupRows;
  static constexpr std::size_t kBlockBytes = kQuantBytes + kPairBytes + 2 * kGroupRows +
                                             (Format::kHasMin ? kPairBytes + 2 * kGroupRows : 0);

  static void unpack(const std::uint8_t* from, std::size_t blocks, std::uint8_t* to) {
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::uint8_t* side = from + kQuantBytes;
      WEFT_UNROLL
      for (std::size_t p = 0; p < Format::kPairs; ++p) {
        const Pairs scales = load_pairs(side);
        side += 2 * kGroupRows;
        unpack_sub_block(from, p, 0, scale_of<0>(scales), to);
        unpack_sub_block(from, p, 1, scale_of<1>(scales), to + (Format::kDots + 1) * kVector);
        to += 2 * (Format::kDots + 1) * kVector;
      }
      if constexpr (Format::kHasMin) {
        for (std::size_t p = 0; p < Format::kPairs; ++p, side += 2 * kGroupRows, to += kVector) {
          put(to, load_pairs(side));
        }
      }
      put(to, load_halves(side));
      to += kVector;
      if constexpr (Format::kHasMin) {
        put(to, load_halves(side + 2 * kGroupRows));
        to += kVector;
      }
      from += kBlockBytes;
    }
  }

 private:
  WEFT_INLINE static void unpack_sub_block(const std::uint8_t* from, std::size_t p, int which,
                                           const Scale& scale, std::uint8_t* to) {
    WEFT_UNROLL
    for (std::size_t i = 0; i < Format::kDots; ++i) {
      put(to + i * kVector, Format::weights(from, p, which, i));
    }
    if constexpr (Product::kInFloats) {
      put(to + Format::kDots * kVector, to_floats(scale));
    } else {
      put(to + Format::kDots * kVector, scale);
    }
  }
};

}  // namespace
}  // namespace weft::inference::cpu
