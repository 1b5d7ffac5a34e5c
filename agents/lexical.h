#pragma once
// Words of a text as they are compared here: lower-cased, with common English endings cut, so that
// "nominates" and "nominated" are one. Cheaper and blunter than the index's stemmer: it compares an
// answer with a passage, it doesn't search.

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace weft::agents {

struct Word {
  std::string stem;
  std::size_t start = 0;  // bytes [start, end) of the text
  std::size_t end = 0;
  bool stop = false;  // carries no content: "the", "of"
};

std::vector<Word> words(std::string_view text);

/// The stems that carry content; all stems if none does.
std::unordered_set<std::string> content_stems(const std::vector<Word>& of);

/// Whether the stems of `needle` stand in `haystack` one after the other.
bool contains_sequence(const std::vector<Word>& haystack, const std::vector<Word>& needle);

}  // namespace weft::agents
