#include "cli/text.h"

#include <cstdio>

namespace weft::cli {

std::string one_line(std::string_view text, std::size_t bytes_max) {
  std::string line;
  for (const char c : text) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (line.size() <= bytes_max) return line;
  std::size_t cut = line.rfind(' ', bytes_max);
  if (cut == std::string::npos || cut == 0) {
    cut = bytes_max;
    while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) --cut;
  }
  line.resize(cut);
  return line + " …";
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, two bytes of UTF-8 from 0xC2 on, are control characters too.
    const bool is_c1 = byte == 0xC2 && i + 1 < text.size() &&
                       static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                       static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    shown += is_c1 || byte < 0x20 || byte == 0x7F ? '?' : text[i];
  }
  return shown;
}

std::string byte_span(const std::string& source, std::size_t start, std::size_t end) {
  return source + ", bytes " + std::to_string(start) + "-" + std::to_string(end);
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

}  // namespace weft::cli
