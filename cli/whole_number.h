#pragma once
// What CLI11 must check itself: it reads "-1" as the largest unsigned number, and cuts off what
// doesn't fit.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>

namespace weft::cli {

constexpr std::size_t kWholeNumberDigitsMax = 18;  // fit any 64-bit integer

/// For add_option(...)->check(): digits only.
inline CLI::Validator whole_number() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        if (text.empty() ||
            !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
          return "'" + text + "' isn't a whole number >= 0";
        }
        return text.size() <= kWholeNumberDigitsMax ? "" : "'" + text + "' is too large";
      },
      "");
}

}  // namespace weft::cli
