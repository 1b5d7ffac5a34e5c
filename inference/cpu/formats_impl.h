#pragma once
// What distinguishes the integer formats to the product: how a vector of weights is unpacked from
// the layout of matrix_layout.h, and which number stands for zero.

#include "inference/cpu/lanes.h"
#include "inference/cpu/matrix_layout.h"

namespace weft::inference::cpu {
namespace {

// Values 4 i .. 4 i + 3: the low nibbles hold the first sixteen of a block.
inline Bytes nibbles(const std::uint8_t* quants, std::size_t i) {
  return i < 4 ? bits(load_bytes(quants + kVector * i), 0, 15)
               : bits(load_bytes(quants + kVector * (i - 4)), 4, 15);
}

inline Bytes five_bits(const std::uint8_t* quants, std::size_t i) {
  const Bytes high = load_bytes(quants + kVector * 4);
  return either(nibbles(quants, i), bits(high, static_cast<int>(i) - 4, 16));
}

// weights(quants, i): values 4 i .. 4 i + 3 of a block of 32. kStart: where the activations' starts
// for this format's zero are, kNoStart if the zero is 0. kDotsPerSum: how many dot() fit in a Dot
// of the narrowest level. kSum: how AVX2 adds up.
constexpr std::size_t kNoStart = 0;

struct Q4_0 {
  static constexpr std::size_t kQuantBytes = 16;
  static constexpr std::size_t kStart = Block32::kStart8;
  static constexpr bool kHasMin = false;
  static constexpr std::size_t kDotsPerSum = 8;
  static constexpr Sum kSum = Sum::kDot;
  static Bytes weights(const std::uint8_t* quants, std::size_t i) { return nibbles(quants, i); }
};

struct Q4_1 : Q4_0 {
  static constexpr std::size_t kStart = kNoStart;
  static constexpr bool kHasMin = true;
};

struct Q5_0 : Q4_0 {
  static constexpr std::size_t kQuantBytes = 20;
  static constexpr std::size_t kStart = Block32::kStart16;
  static Bytes weights(const std::uint8_t* quants, std::size_t i) { return five_bits(quants, i); }
};

struct Q5_1 : Q5_0 {
  static constexpr std::size_t kStart = kNoStart;
  static constexpr bool kHasMin = true;
  static constexpr std::size_t kDotsPerSum = 4;
};

struct Q8_0 : Q4_0 {
  static constexpr std::size_t kQuantBytes = 32;
#if WEFT_SIMD_LEVEL == 1
  static constexpr std::size_t kStart = kNoStart;
  static constexpr Sum kSum = Sum::kSigned;
  static Bytes weights(const std::uint8_t* quants, std::size_t i) {
    return _mm256_xor_si256(load_bytes(quants + kVector * i), _mm256_set1_epi8(-128));
  }
#else
  static constexpr std::size_t kStart = Block32::kStart128;
  static Bytes weights(const std::uint8_t* quants, std::size_t i) {
    return load_bytes(quants + kVector * i);
  }
#endif
};

#if WEFT_SIMD_LEVEL == 1
// Q8_0 with quants in [-64, 63].
struct Q8_0Of7Bits : Q8_0 {
  static constexpr std::size_t kStart = Block32::kStart8;
  static constexpr Sum kSum = Sum::k7Bits;
  static Bytes weights(const std::uint8_t* quants, std::size_t i) {
    return _mm256_sub_epi8(load_bytes(quants + kVector * i), _mm256_set1_epi8(64));
  }
};
#else
using Q8_0Of7Bits = Q8_0;
#endif

// weights(quants, p, which, i): values 4 i .. 4 i + 3 of sub-block 2 p + which of a block of 256.
struct Q4_K {
  static constexpr std::size_t kQuantBytes = 128;
  static constexpr std::size_t kPairs = 4;
  static constexpr std::size_t kDots = 8;  // in a sub-block
  static constexpr std::size_t kDotsPerSum = 8;
  static constexpr bool kHasStart = false;  // the zero is 0, not 32
  static constexpr bool kHasMin = true;
  static Bytes weights(const std::uint8_t* quants, std::size_t p, int which, std::size_t i) {
    return bits(load_bytes(quants + kVector * (8 * p + i)), 4 * which, 15);
  }
};

struct Q5_K : Q4_K {
  static constexpr std::size_t kQuantBytes = 160;
  static constexpr std::size_t kDotsPerSum = 4;
  static Bytes weights(const std::uint8_t* quants, std::size_t p, int which, std::size_t i) {
    const Bytes high = load_bytes(quants + kVector * (32 + i));
    return either(Q4_K::weights(quants, p, which, i),
                  bits(high, 2 * static_cast<int>(p) + which - 4, 16));
  }
};

struct Q6_K {
  static constexpr std::size_t kQuantBytes = 192;
  static constexpr std::size_t kPairs = 8;
  static constexpr std::size_t kDots = 4;
  static constexpr std::size_t kDotsPerSum = 4;
  static constexpr bool kHasStart = true;
  static constexpr bool kHasMin = false;
  static Bytes weights(const std::uint8_t* quants, std::size_t p, int which, std::size_t i) {
    // Pair p is quarter k of a half of 128; the low bits of quarters k and k + 2 share bytes.
    const std::size_t half = p / 4;
    const std::size_t k = p % 4;
    const std::size_t at = 4 * static_cast<std::size_t>(which) + i;
    const Bytes low = load_bytes(quants + kVector * (16 * half + 8 * (k % 2) + at));
    const Bytes high = load_bytes(quants + kVector * (32 + 8 * half + at));
    return either(bits(low, k < 2 ? 0 : 4, 15), bits(high, 2 * static_cast<int>(k) - 4, 48));
  }
};

// The float formats: one column of a group.
struct F32 {
  static constexpr std::size_t kBytes = 4;
  static Floats column(const std::uint8_t* from) {
    return load_floats(reinterpret_cast<const float*>(from));
  }
};

struct F16 {
  static constexpr std::size_t kBytes = 2;
  static Floats column(const std::uint8_t* from) { return load_halves(from); }
};

struct BF16 {
  static constexpr std::size_t kBytes = 2;
  static Floats column(const std::uint8_t* from) { return load_bfloats(from); }
};

}  // namespace
}  // namespace weft::inference::cpu
