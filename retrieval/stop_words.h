#pragma once
// English words so common that they say nothing about which passage is meant.

#include <string_view>

namespace weft::retrieval {

/// Whether lower-case `word` is one; contractions are looked up whole, as in "don't".
bool is_english_stop_word(std::string_view word) noexcept;

}  // namespace weft::retrieval
