#include "base/utf8.h"

#include <cstring>

namespace weft {
namespace {

constexpr std::size_t kSequenceBytesMax = 4;

// What a lead byte promises: the sequence's length, and the range of its second byte, which is
// where overlong forms, surrogates and values above U+10FFFF are told apart (table 3-7).
struct Lead {
  std::uint8_t size;  // 0: never starts a sequence
  std::uint8_t second_min;
  std::uint8_t second_max;
};

constexpr Lead lead_of(std::uint8_t byte) noexcept {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// How many bytes at the start of `text` belong to its first sequence: lead.size if it is whole.
std::size_t matching_bytes(std::string_view text, Lead lead) noexcept {
  std::size_t n = 1;
  while (n < lead.size && n < text.size()) {
    const auto byte = static_cast<std::uint8_t>(text[n]);
    const std::uint8_t low = n == 1 ? lead.second_min : 0x80;
    const std::uint8_t high = n == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) break;
    ++n;
  }
  return n;
}

// The length of the ASCII run at the start of `text`, eight bytes at a time.
std::size_t ascii_run(std::string_view text) noexcept {
  std::size_t n = 0;
  for (; n + 8 <= text.size(); n += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + n, 8);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  while (n < text.size() && static_cast<std::uint8_t>(text[n]) < 0x80) ++n;
  return n;
}

// The length of the valid UTF-8 at the start of `text`.
std::size_t valid_run(std::string_view text) noexcept {
  std::size_t n = 0;
  while (n < text.size()) {
    n += ascii_run(text.substr(n));
    if (n == text.size()) break;
    const Utf8CodePoint next = decode_utf8(text.substr(n));
    if (!next.valid) break;
    n += next.size;
  }
  return n;
}

}  // namespace

Utf8CodePoint decode_utf8(std::string_view text) noexcept {
  if (text.empty()) return {};
  const auto first = static_cast<std::uint8_t>(text[0]);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  const std::size_t size = matching_bytes(text, lead);
  if (size != lead.size) return {kReplacementCharacter, static_cast<std::uint32_t>(size), false};
  char32_t value = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    value = value << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
  }
  return {value, static_cast<std::uint32_t>(size), true};
}

bool is_valid_utf8(std::string_view text) noexcept { return valid_run(text) == text.size(); }

std::size_t complete_utf8_prefix(std::string_view text) noexcept {
  for (std::size_t held = 1; held < kSequenceBytesMax && held <= text.size(); ++held) {
    const std::string_view tail = text.substr(text.size() - held);
    const Lead lead = lead_of(static_cast<std::uint8_t>(tail[0]));
    if (lead.size > held && matching_bytes(tail, lead) == held) return text.size() - held;
  }
  return text.size();
}

std::string repair_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const std::size_t good = valid_run(text);
    repaired.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    append_utf8(repaired, kReplacementCharacter);
    text.remove_prefix(decode_utf8(text).size);
  }
  return repaired;
}

void append_utf8(std::string& text, char32_t value) {
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) value = kReplacementCharacter;
  const auto tail = [&text](char32_t bits) { text += static_cast<char>(0x80 | (bits & 0x3F)); };
  if (value < 0x80) {
    text += static_cast<char>(value);
  } else if (value < 0x800) {
    text += static_cast<char>(0xC0 | value >> 6);
    tail(value);
  } else if (value < 0x10000) {
    text += static_cast<char>(0xE0 | value >> 12);
    tail(value >> 6);
    tail(value);
  } else {
    text += static_cast<char>(0xF0 | value >> 18);
    tail(value >> 12);
    tail(value >> 6);
    tail(value);
  }
}

}  // namespace weft
