#pragma once
// The little of text encodings that readers and the chunker share, beside base/utf8.h.

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::retrieval {

/// Whether `c` continues a UTF-8 character: never a place to cut.
constexpr bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// ASCII's white space, which is what passages may leave uncovered.
constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/// The largest border of a UTF-8 character that is <= `at`. Looks back three bytes at most, so in
/// broken text it may return `at` itself.
std::size_t floor_border(std::string_view text, std::size_t at) noexcept;

std::string from_utf16(std::string_view bytes, bool big_endian);  // without its byte-order mark
std::string from_windows_1252(std::string_view bytes);

}  // namespace weft::retrieval
