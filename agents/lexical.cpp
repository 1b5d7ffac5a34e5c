#include "agents/lexical.h"

#include <algorithm>
#include <array>

#include "retrieval/stop_words.h"

namespace weft::agents {
namespace {

bool is_word_byte(unsigned char c) {
  return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Endings are only cut where at least this much of the word stays.
constexpr std::size_t kStemBytesMin = 4;

std::string lowered(std::string_view word) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string stem_of(std::string stem) {
  static constexpr std::array<std::string_view, 9> kEndings = {
      "ations", "ation", "ings", "ing", "ies", "ed", "es", "ly", "s"};
  for (const std::string_view ending : kEndings) {
    if (stem.ends_with(ending) && stem.size() >= ending.size() + kStemBytesMin) {
      stem.resize(stem.size() - ending.size());
      break;
    }
  }
  if (stem.size() > kStemBytesMin && (stem.back() == 'e' || stem.back() == 'y')) stem.pop_back();
  return stem;
}

}  // namespace

std::vector<Word> words(std::string_view text) {
  std::vector<Word> found;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_word_byte(static_cast<unsigned char>(text[i]))) {
      ++i;
      continue;
    }
    const std::size_t start = i;
    while (i < text.size() && is_word_byte(static_cast<unsigned char>(text[i]))) ++i;
    const std::string lower = lowered(text.substr(start, i - start));
    found.push_back({stem_of(lower), start, i, retrieval::is_english_stop_word(lower)});
  }
  return found;
}

std::unordered_set<std::string> content_stems(const std::vector<Word>& of) {
  std::unordered_set<std::string> stems;
  for (const Word& word : of) {
    if (!word.stop) stems.insert(word.stem);
  }
  if (stems.empty()) {
    for (const Word& word : of) stems.insert(word.stem);
  }
  return stems;
}

bool contains_sequence(const std::vector<Word>& haystack, const std::vector<Word>& needle) {
  if (needle.empty()) return false;
  const auto same = [](const Word& a, const Word& b) { return a.stem == b.stem; };
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end(), same) !=
         haystack.end();
}

}  // namespace weft::agents
