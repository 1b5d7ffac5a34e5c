#include "inference/jinja_text.h"

#include <algorithm>
#include <utility>

namespace weft::inference::jinja {

Text::Text(std::string bytes, bool trusted) : bytes_(std::move(bytes)) {
  if (!bytes_.empty()) runs_.push_back({bytes_.size(), trusted});
}

void Text::append(std::string_view bytes, bool trusted) {
  if (bytes.empty()) return;
  bytes_.append(bytes);
  if (!runs_.empty() && runs_.back().trusted == trusted) {
    runs_.back().end = bytes_.size();
  } else {
    runs_.push_back({bytes_.size(), trusted});
  }
}

void Text::append(const Text& other) {
  std::size_t begin = 0;
  for (const Run& run : other.runs_) {
    append(std::string_view(other.bytes_).substr(begin, run.end - begin), run.trusted);
    begin = run.end;
  }
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text out;
  auto run = std::ranges::upper_bound(runs_, begin, {}, &Run::end);
  for (; begin < end; ++run) {
    const std::size_t stop = std::min(end, run->end);
    out.append(std::string_view(bytes_).substr(begin, stop - begin), run->trusted);
    begin = stop;
  }
  return out;
}

bool Text::trusted_at(std::size_t at) const {
  return std::ranges::upper_bound(runs_, at, {}, &Run::end)->trusted;
}

CodePoint code_point_at(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t offset) {
    return static_cast<unsigned char>(text[at + offset]);
  };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  const CodePoint invalid{0xDC00U + first, 1};
  if (first < 0xC2 || first > 0xF4 || text.size() - at < size) return invalid;
  std::uint32_t value = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return invalid;
    value = value << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[size] || value > 0x10FFFF || surrogate) return invalid;
  return {value, size};
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | code_point >> 6);
    put(0x80U | (code_point & 0x3FU));
  } else if (code_point < 0x10000) {
    put(0xE0U | code_point >> 12);
    put(0x80U | (code_point >> 6 & 0x3FU));
    put(0x80U | (code_point & 0x3FU));
  } else {
    put(0xF0U | code_point >> 18);
    put(0x80U | (code_point >> 12 & 0x3FU));
    put(0x80U | (code_point >> 6 & 0x3FU));
    put(0x80U | (code_point & 0x3FU));
  }
}

std::size_t count_code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += code_point_at(text, at).size) ++count;
  return count;
}

std::size_t byte_of_code_point(std::string_view text, std::size_t index) noexcept {
  std::size_t at = 0;
  while (index > 0 && at < text.size()) {
    at += code_point_at(text, at).size;
    --index;
  }
  return at;
}

bool is_space(std::uint32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_printable(std::uint32_t c) noexcept {
  if (c == ' ') return true;
  const bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD;
  const bool format = (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
                      (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
  const bool surrogate_or_private = c >= 0xD800 && c <= 0xF8FF;
  return !control && !format && !surrogate_or_private && !is_space(c);
}

bool is_letter(std::uint32_t c) noexcept {
  const std::uint32_t lower = c | 0x20U;
  return (lower >= 'a' && lower <= 'z') || c == 0xAA || c == 0xB5 || c == 0xBA ||
         (c >= 0xC0 && c != 0xD7 && c != 0xF7 && c < 0x2000);
}

std::uint32_t to_upper(std::uint32_t c) noexcept {
  if (c >= 'a' && c <= 'z') return c - 32;
  if (c < 0x80) return c;
  if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) ||
      (c >= 0x430 && c <= 0x44F)) {
    return c - 32;
  }
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  const bool even_is_upper = (c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14A && c <= 0x177);
  const bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
  if (even_is_upper) return c & ~1U;
  if (odd_is_upper) return c - 1 + (c & 1U);
  return c;
}

std::uint32_t to_lower(std::uint32_t c) noexcept {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0x80) return c;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) ||
      (c >= 0x410 && c <= 0x42F)) {
    return c + 32;
  }
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  const bool even_is_upper = (c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14A && c <= 0x177);
  const bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
  if (even_is_upper) return c | 1U;
  if (odd_is_upper) return c + (c & 1U);
  return c;
}

static bool contains(std::string_view characters, std::uint32_t wanted) {
  for (std::size_t at = 0; at < characters.size();) {
    const CodePoint c = code_point_at(characters, at);
    if (c.value == wanted) return true;
    at += c.size;
  }
  return false;
}

Trimmed trim(std::string_view text, Ends ends, std::string_view characters) {
  const auto removable = [&](std::uint32_t c) {
    return characters.empty() ? is_space(c) : contains(characters, c);
  };
  Trimmed kept{0, text.size()};
  while (ends != Ends::kRight && kept.begin < kept.end) {
    const CodePoint c = code_point_at(text, kept.begin);
    if (!removable(c.value)) break;
    kept.begin += c.size;
  }
  while (ends != Ends::kLeft && kept.begin < kept.end) {
    // The last code point starts at most three bytes earlier; broken UTF-8 is one byte a point.
    std::size_t last = kept.end - 1;
    for (std::size_t back = 2; back <= 4 && back <= kept.end - kept.begin; ++back) {
      if (code_point_at(text.substr(0, kept.end), kept.end - back).size == back) {
        last = kept.end - back;
      }
    }
    if (!removable(code_point_at(text, last).value)) break;
    kept.end = last;
  }
  return kept;
}

}  // namespace weft::inference::jinja
