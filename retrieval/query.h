#pragma once
// A user's words as an FTS5 query: every word quoted, so that nothing a user types is query syntax.
// https://www.sqlite.org/fts5.html, section 3

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::retrieval {

enum class StopWords : std::uint8_t {
  kDropEnglish,  // unless the query has no other word
  kKeep,
};

inline constexpr std::size_t kQueryBytesMax = 64 * 1024;  // what is beyond isn't read
inline constexpr std::size_t kQueryTermsMax = 128;        // the first so many different words count
inline constexpr std::size_t kQueryTermBytesMax = 256;  // a longer "word" is none, and is left out

/// The different words of `text` in lower case, in order of first appearance. A word is a run of
/// letters, digits and '_'. Any bytes are fine; those that aren't UTF-8 separate words.
std::vector<std::string> query_terms(std::string_view text, StopWords stop_words);

/// The words that FTS5 shall look for, any of them: `"first" OR "second"`. Empty without a word.
std::string match_expression(std::string_view text, StopWords stop_words);

}  // namespace weft::retrieval
