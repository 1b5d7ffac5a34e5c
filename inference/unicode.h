#pragma once
// What the splitters of tokenizers ask of the Unicode Character Database (15.0): the classes \p{L},
// \p{N}, \s, P*, Mn and C*, lowercase, and canonical decomposition (NFD). Tables are sorted ranges
// made by cmake/generate_unicode_tables.py; a look-up is a binary search.

#include <cstdint>
#include <string_view>

namespace weft::inference {

/// Bits of character_traits(); a code point may have several.
enum CharacterTraits : std::uint8_t {
  kLetter = 1,           // \p{L}
  kNumber = 2,           // \p{N}
  kWhiteSpace = 4,       // White_Space: what \s means in the splitters
  kPunctuation = 8,      // \p{P}
  kNonspacingMark = 16,  // \p{Mn}
  kOther = 32,           // \p{C} without \p{Cn}: controls, formats, surrogates, private use
};

/// 0 for symbols, spacing marks, unassigned code points and values above U+10FFFF.
std::uint8_t character_traits(char32_t value) noexcept;

/// The simple lowercase mapping; `value` itself if it has none.
char32_t lowercase(char32_t value) noexcept;

/// The full canonical decomposition: one code point (`value` itself) to four. Marks come in the
/// order of the decomposition; reordering them across characters is left to the caller.
struct Decomposition {
  char32_t parts[4];
  std::uint32_t size;

  std::u32string_view view() const noexcept { return {parts, size}; }
};
Decomposition decompose(char32_t value) noexcept;

}  // namespace weft::inference
