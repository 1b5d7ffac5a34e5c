#pragma once
// UTF-8 as Unicode 15, section 3.9, table 3-7 defines it: no overlong forms, no surrogates, nothing
// above U+10FFFF. Broken input is never refused: each "maximal subpart" (the longest prefix of a
// well-formed sequence, else one byte) counts as one U+FFFD, as web browsers do it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct Utf8CodePoint {
  char32_t value = 0;      // kReplacementCharacter if not valid
  std::uint32_t size = 0;  // bytes taken: 1..4, or 0 at the end of the text
  bool valid = false;

  friend bool operator==(const Utf8CodePoint&, const Utf8CodePoint&) = default;
};

/// The code point that `text` starts with.
Utf8CodePoint decode_utf8(std::string_view text) noexcept;

bool is_valid_utf8(std::string_view text) noexcept;

/// The length of `text` without a sequence at its end that further bytes could still complete: what
/// a stream may show already. At most 3 bytes are held back, and broken ones never are.
std::size_t complete_utf8_prefix(std::string_view text) noexcept;

/// A copy with U+FFFD in place of every broken part. Valid text comes back as it is.
std::string repair_utf8(std::string_view text);

/// Appends the encoding of `value`; of U+FFFD where `value` is a surrogate or above U+10FFFF.
void append_utf8(std::string& text, char32_t value);

}  // namespace weft
