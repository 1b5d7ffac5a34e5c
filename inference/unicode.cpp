#include "inference/unicode.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace weft::inference {
namespace {

struct TraitRun {
  char32_t first;  // lasts until the next run's first
  std::uint8_t traits;
};
struct CodePointPair {
  char32_t from;
  char32_t to;
};
struct DecompositionRow {
  char32_t from;
  std::uint16_t begin;  // in kDecompositionPool
  std::uint8_t size;
};

#include "inference/unicode_tables.inc"

constexpr char32_t kCodePointMax = 0x10FFFF;

constexpr std::array<std::uint8_t, 128> ascii_traits() {
  std::array<std::uint8_t, 128> table{};
  std::size_t run = 0;
  for (char32_t value = 0; value < table.size(); ++value) {
    while (kTraitRuns[run + 1].first <= value) ++run;
    table[value] = kTraitRuns[run].traits;
  }
  return table;
}
constexpr std::array<std::uint8_t, 128> kAsciiTraits = ascii_traits();

// Hangul syllables decompose by arithmetic: Unicode 15, section 3.12.
constexpr char32_t kHangulFirst = 0xAC00;
constexpr char32_t kHangulCount = 11172;
constexpr char32_t kLeadingFirst = 0x1100;
constexpr char32_t kVowelFirst = 0x1161;
constexpr char32_t kTrailingFirst = 0x11A7;  // one before the first: 0 means no trailing consonant
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTrailingCount = 28;

Decomposition decompose_hangul(char32_t index) noexcept {
  const char32_t leading = kLeadingFirst + index / (kVowelCount * kTrailingCount);
  const char32_t vowel = kVowelFirst + index / kTrailingCount % kVowelCount;
  const char32_t trailing = index % kTrailingCount;
  if (trailing == 0) return {{leading, vowel}, 2};
  return {{leading, vowel, kTrailingFirst + trailing}, 3};
}

}  // namespace

std::uint8_t character_traits(char32_t value) noexcept {
  if (value < kAsciiTraits.size()) return kAsciiTraits[value];
  if (value > kCodePointMax) return 0;
  const auto* after =
      std::upper_bound(std::begin(kTraitRuns), std::end(kTraitRuns), value,
                       [](char32_t wanted, const TraitRun& run) { return wanted < run.first; });
  return std::prev(after)->traits;
}

char32_t lowercase(char32_t value) noexcept {
  if (value < 0x80) return value >= 'A' && value <= 'Z' ? value + ('a' - 'A') : value;
  const auto* found = std::lower_bound(
      std::begin(kLowercase), std::end(kLowercase), value,
      [](const CodePointPair& pair, char32_t wanted) { return pair.from < wanted; });
  return found != std::end(kLowercase) && found->from == value ? found->to : value;
}

Decomposition decompose(char32_t value) noexcept {
  if (value < 0x80) return {{value}, 1};
  if (value - kHangulFirst < kHangulCount) return decompose_hangul(value - kHangulFirst);
  const auto* found = std::lower_bound(
      std::begin(kDecompositions), std::end(kDecompositions), value,
      [](const DecompositionRow& row, char32_t wanted) { return row.from < wanted; });
  if (found == std::end(kDecompositions) || found->from != value) return {{value}, 1};
  Decomposition result{{}, found->size};
  std::copy_n(std::begin(kDecompositionPool) + found->begin, found->size, result.parts);
  return result;
}

}  // namespace weft::inference
