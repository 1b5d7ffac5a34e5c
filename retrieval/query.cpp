#include "retrieval/query.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/utf8.h"
#include "retrieval/stop_words.h"

namespace weft::retrieval {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Code points past ASCII that separate words: punctuation, symbols and spaces, by block. What isn't
// here counts as a letter; FTS5 has the full tables and cuts such a word once more, into a phrase.
constexpr auto kSeparators = std::to_array<Range>({
    {0x80, 0xa9},     {0xab, 0xb1},     {0xb4, 0xb4},     {0xb6, 0xb8},       {0xbb, 0xbb},
    {0xbf, 0xbf},     {0xd7, 0xd7},     {0xf7, 0xf7},     {0x2c2, 0x2c5},     {0x37e, 0x37e},
    {0x387, 0x387},   {0x55a, 0x55f},   {0x589, 0x58a},   {0x5be, 0x5be},     {0x5f3, 0x5f4},
    {0x60c, 0x60d},   {0x61b, 0x61f},   {0x66a, 0x66d},   {0x6d4, 0x6d4},     {0x964, 0x965},
    {0x2000, 0x206f}, {0x207a, 0x207e}, {0x208a, 0x208e}, {0x20a0, 0x20cf},   {0x2190, 0x245f},
    {0x2500, 0x2775}, {0x2794, 0x2bff}, {0x2e00, 0x2e7f}, {0x3000, 0x3004},   {0x3008, 0x3020},
    {0x3030, 0x3030}, {0x30fb, 0x30fb}, {0xfe10, 0xfe6f}, {0xff01, 0xff0f},   {0xff1a, 0xff20},
    {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1faff},
});

bool is_word_character(char32_t c) {
  if (c < 0x80) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  const auto after = std::ranges::upper_bound(kSeparators, c, {}, &Range::first);
  return after == kSeparators.begin() || c > (after - 1)->last;
}

// Lower case for finding words that stand twice; FTS5 folds the rest on its own. ASCII, Latin-1,
// Latin Extended-A, Greek and Cyrillic.
char32_t to_lower(char32_t c) {
  if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
      (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f)) {
    return c + 32;
  }
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  const bool even_is_upper =
      (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177);
  const bool odd_is_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
  if (even_is_upper) return c | 1U;
  if (odd_is_upper) return c + (c & 1U);
  return c;
}

struct Word {
  std::string text;
  bool after_apostrophe = false;  // "t" of "don't"
  bool stop = false;
};

bool is_apostrophe(char32_t c) { return c == '\'' || c == 0x2019; }

std::vector<Word> split(std::string_view text) {
  std::vector<Word> words;
  char32_t before_last = ' ';
  char32_t last = ' ';
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode_utf8(text.substr(at));
    at += point.size;
    const char32_t c = point.valid ? to_lower(point.value) : ' ';
    if (is_word_character(c)) {
      if (!is_word_character(last)) {
        words.push_back(
            {.after_apostrophe = is_apostrophe(last) && is_word_character(before_last)});
      }
      append_utf8(words.back().text, c);
    }
    before_last = last;
    last = c;
  }
  return words;
}

void mark_stop_words(std::vector<Word>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i].stop = words[i].stop || is_english_stop_word(words[i].text);
    if (i == 0 || !words[i].after_apostrophe) continue;
    if (is_english_stop_word(words[i - 1].text + "'" + words[i].text)) {
      words[i - 1].stop = words[i].stop = true;
    } else if (words[i].text == "s") {  // the possessive
      words[i].stop = true;
    }
  }
}

}  // namespace

std::vector<std::string> query_terms(std::string_view text, StopWords stop_words) {
  auto words = split(text.substr(0, kQueryBytesMax));
  if (stop_words == StopWords::kDropEnglish) {
    mark_stop_words(words);
    if (!std::ranges::all_of(words, &Word::stop)) std::erase_if(words, &Word::stop);
  }
  std::vector<std::string> terms;
  std::unordered_set<std::string_view> seen;
  for (const auto& word : words) {
    if (terms.size() == kQueryTermsMax) break;
    if (word.text.size() <= kQueryTermBytesMax && seen.insert(word.text).second) {
      terms.push_back(word.text);
    }
  }
  return terms;
}

std::string match_expression(std::string_view text, StopWords stop_words) {
  std::string expression;
  for (const auto& term : query_terms(text, stop_words)) {
    expression += (expression.empty() ? "\"" : " OR \"") + term + "\"";
  }
  return expression;
}

}  // namespace weft::retrieval
