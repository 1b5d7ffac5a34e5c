#pragma once
// What CLI11 must check itself: it reads "-1" as the largest unsigned number, and cuts off what
// doesn't fit.

#include <string>

namespace weft::cli {

/// For add_option(...)->check(): what is wrong with a number >= 0; empty if nothing is.
std::string whole_number(const std::string& text);

}  // namespace weft::cli
