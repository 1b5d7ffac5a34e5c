#include "cli/whole_number.h"

#include <algorithm>

namespace weft::cli {
namespace {

constexpr std::size_t kDigitsMax = 18;  // fit any 64-bit integer

}  // namespace

std::string whole_number(const std::string& text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::ranges::all_of(text, is_digit)) {
    return "'" + text + "' isn't a whole number >= 0";
  }
  return text.size() <= kDigitsMax ? "" : "'" + text + "' is too large";
}

}  // namespace weft::cli
