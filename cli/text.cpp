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

std::string byte_span(const std::string& source, std::size_t start, std::size_t end) {
  return source + ", bytes " + std::to_string(start) + "-" + std::to_string(end);
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

}  // namespace weft::cli
