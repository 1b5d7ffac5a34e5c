#pragma once
// The operations of a matrix product in which a vector lane is a weight row, for the level of
// WEFT_SIMD_LEVEL (see simd.h, whose rules hold here too). Integer results are exact.
//
//   Bytes   4 unsigned weights of each row; Ints, Floats: one number a row
//   Fours   4 activations, the same for each row
//   Dot     a running sum of weight * activation. On AVX2 it is two 16-bit halves a row, which wrap
//           around: only the final value has to fit, so a sum starts from the activations' starts
//           (matrix_layout.h), which moves weights to around zero. A step adds 4 products, at most
//           63 * 127 * 2 in a half, which doesn't saturate. Weights of 8 bits are signed
//           or, if 7 bits are enough, counted from -64: at most 128 * 127 * 2 in a half, so each
//           step is widened: see Sum.
//   Pairs   two small signed numbers a row
//   Scale   what a Dot is multiplied with: one small signed number a row
//
// Each is kVector bytes long.

#include "inference/cpu/simd.h"

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

inline std::int32_t load_dword(const void* from) {
  std::int32_t value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

inline float load_float(const void* from) {
  float value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

// What a Dot starts from, given the sums of the activations whose index mod 4 is 0 or 1, and of the
// others, so that weights count from `zero`.
inline std::int32_t dot_start(int first, int second, int zero) {
#if WEFT_SIMD_LEVEL == 1
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(-second * zero) << 16 |
                                   (static_cast<std::uint32_t>(-first * zero) & 0xFFFF));
#else
  return -(first + second) * zero;
#endif
}

#if WEFT_SIMD_LEVEL == 0

constexpr std::size_t kGroupRows = 8;

struct Bytes {
  std::uint8_t at[4 * kGroupRows];
};
struct Ints {
  std::int32_t at[kGroupRows];
};
struct Floats {
  float at[kGroupRows];
};
struct Fours {
  std::int8_t at[4];
};
using Dot = Ints;
struct Pairs {
  std::int16_t at[2 * kGroupRows];
};
using Scale = Ints;

#define WEFT_EACH(type, count, body)                          \
  type out;                                                   \
  for (std::size_t i = 0; i < (count); ++i) out.at[i] = body; \
  return out

inline Bytes load_bytes(const std::uint8_t* from) { WEFT_EACH(Bytes, 4 * kGroupRows, from[i]); }
// The bits `mask` of every byte shifted right by `shift`, left if it is negative. `mask` has none
// of the bits that come from a neighbouring byte.
inline Bytes bits(const Bytes& a, int shift, int mask) {
  WEFT_EACH(Bytes, 4 * kGroupRows,
            static_cast<std::uint8_t>((shift < 0 ? a.at[i] << -shift : a.at[i] >> shift) & mask));
}
inline Bytes either(const Bytes& a, const Bytes& b) {
  WEFT_EACH(Bytes, 4 * kGroupRows, static_cast<std::uint8_t>(a.at[i] | b.at[i]));
}

inline Ints zero_ints() { return {}; }
inline Dot start_dot(const std::uint8_t* from) { WEFT_EACH(Dot, kGroupRows, load_dword(from)); }
inline Fours load_fours(const std::int8_t* a) { return {{a[0], a[1], a[2], a[3]}}; }
inline Dot dot(const Dot& sum, const Bytes& w, const Fours& a) {
  WEFT_EACH(Dot, kGroupRows,
            sum.at[i] + w.at[4 * i] * a.at[0] + w.at[4 * i + 1] * a.at[1] +
                w.at[4 * i + 2] * a.at[2] + w.at[4 * i + 3] * a.at[3]);
}
inline Ints widen(const Dot& a) { return a; }
inline Ints add_ints(const Ints& a, const Ints& b) {
  WEFT_EACH(Ints, kGroupRows, a.at[i] + b.at[i]);
}

inline Pairs load_pairs(const std::uint8_t* from) {
  WEFT_EACH(Pairs, 2 * kGroupRows, static_cast<std::int8_t>(from[i]));
}
template <int kWhich>
Scale scale_of(const Pairs& a) {
  WEFT_EACH(Scale, kGroupRows, a.at[2 * i + kWhich]);
}
inline Ints add_scaled(const Ints& sum, const Dot& a, const Scale& scale) {
  WEFT_EACH(Ints, kGroupRows, sum.at[i] + a.at[i] * scale.at[i]);
}
inline Ints add_pairs(const Ints& sum, const Pairs& p, const std::int16_t* x) {
  WEFT_EACH(Ints, kGroupRows, sum.at[i] + p.at[2 * i] * x[0] + p.at[2 * i + 1] * x[1]);
}

inline Floats zero_floats() { return {}; }
inline Floats broadcast(float value) { WEFT_EACH(Floats, kGroupRows, value); }
inline Floats to_floats(const Ints& a) {
  WEFT_EACH(Floats, kGroupRows, static_cast<float>(a.at[i]));
}
inline Floats load_floats(const float* from) { WEFT_EACH(Floats, kGroupRows, from[i]); }
inline Floats load_halves(const std::uint8_t* from) {
  std::uint16_t halves[kGroupRows];
  __builtin_memcpy(halves, from, sizeof halves);
  WEFT_EACH(Floats, kGroupRows, half_to_float(halves[i]));
}
inline Floats load_bfloats(const std::uint8_t* from) {
  std::uint16_t upper[kGroupRows];
  __builtin_memcpy(upper, from, sizeof upper);
  WEFT_EACH(Floats, kGroupRows,
            __builtin_bit_cast(float, static_cast<std::uint32_t>(upper[i]) << 16));
}
inline Floats add(const Floats& a, const Floats& b) {
  WEFT_EACH(Floats, kGroupRows, a.at[i] + b.at[i]);
}
inline Floats mul(const Floats& a, const Floats& b) {
  WEFT_EACH(Floats, kGroupRows, a.at[i] * b.at[i]);
}
inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  WEFT_EACH(Floats, kGroupRows, __builtin_fmaf(a.at[i], b.at[i], c.at[i]));
}
inline void store(float* to, const Floats& a) {
  for (std::size_t i = 0; i < kGroupRows; ++i) to[i] = a.at[i];
}
#undef WEFT_EACH

#elif WEFT_SIMD_LEVEL == 1

constexpr std::size_t kGroupRows = 8;

using Bytes = __m256i;
using Ints = __m256i;
using Fours = __m256i;
using Dot = __m256i;
using Pairs = __m256i;
using Scale = __m256i;
using Floats = __m256;

inline __m256i load_256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
inline __m128i load_128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
inline __m256i broadcast_dword(const void* from) { return _mm256_set1_epi32(load_dword(from)); }

inline Bytes load_bytes(const std::uint8_t* from) { return load_256(from); }
inline Bytes bits(Bytes a, int shift, int mask) {
  const Bytes moved = shift < 0 ? _mm256_slli_epi16(a, -shift) : _mm256_srli_epi16(a, shift);
  return _mm256_and_si256(moved, _mm256_set1_epi8(static_cast<char>(mask)));
}
inline Bytes either(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }

inline Ints zero_ints() { return _mm256_setzero_si256(); }
inline Dot start_dot(const std::uint8_t* from) { return broadcast_dword(from); }
inline Fours load_fours(const std::int8_t* a) { return broadcast_dword(a); }
inline Dot dot(Dot sum, Bytes w, Fours a) {
  sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, a));
  // Or the compiler makes trees of the sums, for which there aren't registers enough.
  __asm__("" : "+x"(sum));
  return sum;
}
inline Ints widen(Dot a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
inline Ints dot_signed(Ints sum, Bytes w, Fours a) {
  const __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
  sum = _mm256_add_epi32(sum, widen(products));
  __asm__("" : "+x"(sum));  // as in dot()
  return sum;
}
inline Ints dot_7_bits(Ints sum, Bytes w, Fours a) {
  sum = _mm256_add_epi32(sum, widen(_mm256_maddubs_epi16(w, a)));
  __asm__("" : "+x"(sum));
  return sum;
}
inline Ints start_7_bits(Dot start8) { return _mm256_madd_epi16(start8, _mm256_set1_epi16(8)); }
inline Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }

inline Pairs load_pairs(const std::uint8_t* from) { return _mm256_cvtepi8_epi16(load_128(from)); }
template <int kWhich>
Scale scale_of(Pairs a) {
  constexpr char k = 2 * kWhich;
  const __m256i twice =
      _mm256_setr_epi8(k, k + 1, k, k + 1, k + 4, k + 5, k + 4, k + 5, k + 8, k + 9, k + 8, k + 9,
                       k + 12, k + 13, k + 12, k + 13, k, k + 1, k, k + 1, k + 4, k + 5, k + 4,
                       k + 5, k + 8, k + 9, k + 8, k + 9, k + 12, k + 13, k + 12, k + 13);
  return _mm256_shuffle_epi8(a, twice);
}
inline Ints add_scaled(Ints sum, Dot a, Scale scale) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(a, scale));
}
inline Ints add_pairs(Ints sum, Pairs p, const std::int16_t* x) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(p, broadcast_dword(x)));
}

inline Floats zero_floats() { return _mm256_setzero_ps(); }
inline Floats broadcast(float value) { return _mm256_set1_ps(value); }
inline Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }
inline Floats load_floats(const float* from) { return _mm256_loadu_ps(from); }
inline Floats load_halves(const std::uint8_t* from) { return _mm256_cvtph_ps(load_128(from)); }
inline Floats load_bfloats(const std::uint8_t* from) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_128(from)), 16));
}
inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline void store(float* to, Floats a) { _mm256_storeu_ps(to, a); }

#else

constexpr std::size_t kGroupRows = 16;

using Bytes = __m512i;
using Ints = __m512i;
using Fours = __m512i;
using Dot = __m512i;
using Pairs = __m512i;
using Scale = __m512i;
using Floats = __m512;

inline __m256i load_256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
inline __m512i broadcast_dword(const void* from) { return _mm512_set1_epi32(load_dword(from)); }

inline Bytes load_bytes(const std::uint8_t* from) { return _mm512_loadu_si512(from); }
inline Bytes bits(Bytes a, int shift, int mask) {
  const Bytes moved = shift < 0 ? _mm512_slli_epi16(a, -shift) : _mm512_srli_epi16(a, shift);
  return _mm512_and_si512(moved, _mm512_set1_epi8(static_cast<char>(mask)));
}
inline Bytes either(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }

inline Ints zero_ints() { return _mm512_setzero_si512(); }
inline Dot start_dot(const std::uint8_t* from) { return broadcast_dword(from); }
inline Fours load_fours(const std::int8_t* a) { return broadcast_dword(a); }
inline Dot dot(Dot sum, Bytes w, Fours a) { return _mm512_dpbusd_epi32(sum, w, a); }
inline Ints widen(Dot a) { return a; }
inline Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }

inline Pairs load_pairs(const std::uint8_t* from) { return _mm512_cvtepi8_epi16(load_256(from)); }
template <int kWhich>
Scale scale_of(Pairs a) {
  return _mm512_srai_epi32(kWhich == 0 ? _mm512_slli_epi32(a, 16) : a, 16);
}
inline Ints add_scaled(Ints sum, Dot a, Scale scale) {
  return _mm512_add_epi32(sum, _mm512_mullo_epi32(a, scale));
}
inline Ints add_pairs(Ints sum, Pairs p, const std::int16_t* x) {
  return _mm512_dpwssd_epi32(sum, p, broadcast_dword(x));
}

inline Floats zero_floats() { return _mm512_setzero_ps(); }
inline Floats broadcast(float value) { return _mm512_set1_ps(value); }
inline Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
inline Floats load_floats(const float* from) { return _mm512_loadu_ps(from); }
inline Floats load_halves(const std::uint8_t* from) { return _mm512_cvtph_ps(load_256(from)); }
inline Floats load_bfloats(const std::uint8_t* from) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_256(from)), 16));
}
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline void store(float* to, Floats a) { _mm512_storeu_ps(to, a); }

#endif

constexpr std::size_t kVector = 4 * kGroupRows;  // bytes

// Rows of activations in a tile. With two groups of weights that makes twelve sums on AVX2, whole
// and of the block at hand, and sixteen on AVX-512, which has twice the registers.
#if WEFT_SIMD_LEVEL == 2
constexpr std::size_t kTileRows = 4;
#else
constexpr std::size_t kTileRows = 3;
#endif

/// A kernel for tiles of each number of slots: of[n - 1] is that of n.
template <typename Function>
struct BySlots {
  Function* of[kTileRows];
};
template <typename Kernel, std::size_t kSlots, typename Function>
constexpr void fill_slots(BySlots<Function>& table) {
  table.of[kSlots - 1] = &Kernel::template tile<kSlots>;
  if constexpr (kSlots > 1) fill_slots<Kernel, kSlots - 1>(table);
}
/// Kernel::tile<1>, tile<2>, ...
template <typename Kernel, typename Function>
constexpr BySlots<Function> by_slots() {
  BySlots<Function> table = {};
  fill_slots<Kernel, kTileRows>(table);
  return table;
}

// How AVX2 adds up products; for the other levels there is dot() alone.
enum class Sum {
  kDot,
  kSigned,  // dot_signed(), of weights that are signed
  k7Bits,   // dot_7_bits(), of weights + 64, from start_7_bits()
};

template <Sum kSum>
WEFT_INLINE Dot add_products(const Dot& sum, const Bytes& w, const Fours& a) {
#if WEFT_SIMD_LEVEL == 1
  if constexpr (kSum == Sum::kSigned) return dot_signed(sum, w, a);
  if constexpr (kSum == Sum::k7Bits) return dot_7_bits(sum, w, a);
#endif
  return dot(sum, w, a);
}
template <Sum kSum>
WEFT_INLINE Dot first_sum(const std::uint8_t* start) {
#if WEFT_SIMD_LEVEL == 1
  if constexpr (kSum == Sum::k7Bits) return start_7_bits(start_dot(start));
#endif
  return start_dot(start);
}
template <Sum kSum>
WEFT_INLINE Ints to_ints(const Dot& sum) {
#if WEFT_SIMD_LEVEL == 1
  if constexpr (kSum != Sum::kDot) return sum;
#endif
  return widen(sum);
}

// A vector of any kind from and to memory, as it is.
template <typename Vector>
Vector get(const std::uint8_t* from) {
  static_assert(sizeof(Vector) == kVector);
  Vector value;
  __builtin_memcpy(&value, from, kVector);
  return value;
}
template <typename Vector>
void put(std::uint8_t* to, const Vector& value) {
  static_assert(sizeof(Vector) == kVector);
  __builtin_memcpy(to, &value, kVector);
}

}  // namespace
}  // namespace weft::inference::cpu
