#pragma once
// Small renderings for people.

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::cli {

/// White space squeezed to single blanks, cut at a word with an ellipsis past `bytes_max`.
std::string one_line(std::string_view text, std::size_t bytes_max);
/// Control characters as '?': a file's words can't steer the terminal.
std::string printable(std::string_view text);
std::string byte_span(const std::string& source, std::size_t start, std::size_t end);
std::string fixed(double value, int decimals);

}  // namespace weft::cli
