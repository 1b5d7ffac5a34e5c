#include "inference/wordpiece.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "inference/unicode.h"

extern "C" const char weft_bert_base_uncased_vocabulary_begin[];
extern "C" const char weft_bert_base_uncased_vocabulary_end[];

namespace weft::inference {
namespace {

constexpr std::string_view kContinuation = "##";
constexpr std::size_t kWordCharsMax = 100;  // longer words are unknown: max_input_chars_per_word

bool in(char32_t value, char32_t first, char32_t last) { return value >= first && value <= last; }

// The ideographs that BERT sets apart, each a word: the same blocks as in its own code.
bool is_cjk(char32_t c) {
  return in(c, 0x4E00, 0x9FFF) || in(c, 0x3400, 0x4DBF) || in(c, 0x20000, 0x2A6DF) ||
         in(c, 0x2A700, 0x2B73F) || in(c, 0x2B740, 0x2B81F) || in(c, 0x2B920, 0x2CEAF) ||
         in(c, 0xF900, 0xFAFF) || in(c, 0x2F800, 0x2FA1F);
}

// In ASCII, symbols count as punctuation too.
bool is_punctuation(char32_t c) {
  if (c < 0x80) {
    return in(c, '!', '/') || in(c, ':', '@') || in(c, '[', '`') || in(c, '{', '~');
  }
  return (character_traits(c) & kPunctuation) != 0;
}

bool is_white_space(char32_t c) { return (character_traits(c) & kWhiteSpace) != 0; }

bool is_dropped(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return c == kReplacementCharacter || (character_traits(c) & kOther) != 0;
}

std::size_t char_count(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The word under construction and what happens to a character on its way into it.
template <typename Flush>
class WordBuilder {
 public:
  explicit WordBuilder(Flush flush) : flush_(std::move(flush)) {}

  void add(char32_t c) {
    if (is_dropped(c)) return;
    if (is_white_space(c)) return flush();
    if (!is_cjk(c)) return add_decomposed(c);
    flush();
    add_decomposed(c);
    flush();
  }
  void add_ascii(char c) {
    if (c >= 'a' && c <= 'z') {
      word_ += c;
    } else {
      add(static_cast<char32_t>(c));
    }
  }
  void flush() {
    if (word_.empty()) return;
    flush_(word_);
    word_.clear();
  }

 private:
  // NFD without the accents, then lowercase. Reordering of marks is left out: it moves marks past
  // each other, and those that stay (spacing marks with a combining class) are a handful.
  void add_decomposed(char32_t c) {
    const Decomposition parts = decompose(c);  // view() borrows from it
    for (const char32_t part : parts.view()) {
      if ((character_traits(part) & kNonspacingMark) != 0) continue;
      const char32_t lower = lowercase(part);
      if (is_white_space(lower)) {
        flush();
      } else if (is_punctuation(lower)) {
        flush();
        append_utf8(word_, lower);
        flush();
      } else {
        append_utf8(word_, lower);
      }
    }
  }

  Flush flush_;
  std::string word_;
};

}  // namespace

Result<WordPiece> WordPiece::parse(std::string_view vocabulary) {
  const auto lines = static_cast<std::size_t>(std::ranges::count(vocabulary, '\n')) + 1;
  WordPiece made(TokenTable(lines, vocabulary.size()));
  while (!vocabulary.empty()) {
    const std::size_t end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view line = vocabulary.substr(0, end);
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const TokenId id = made.tokens_.append(line);
    WEFT_TRY(holder, made.tokens_.index(id));
    if (line.empty() || holder != id) {
      return Error{ErrorCode::kCorrupt,
                   "line " + std::to_string(id + 1) + " of the WordPiece vocabulary " +
                       (line.empty() ? "is empty" : "repeats line " + std::to_string(holder + 1))};
    }
    made.token_bytes_max_ = std::max(made.token_bytes_max_, line.size());
  }
  const std::pair<std::string_view, TokenId*> specials[] = {
      {"[UNK]", &made.unknown_}, {"[CLS]", &made.start_}, {"[SEP]", &made.end_}};
  for (const auto& [text, id] : specials) {
    const auto found = made.tokens_.find(text);
    if (!found) {
      return Error{ErrorCode::kCorrupt,
                   "the WordPiece vocabulary has no " + std::string(text) + " line"};
    }
    *id = *found;
  }
  return made;
}

WordPiece WordPiece::bert_base_uncased() {
  Result<WordPiece> made = parse(bert_base_uncased_vocabulary());
  return std::move(made).value();  // it is part of the program: a failure would be a bug of ours
}

// Greedy longest match from the start of the word, then of each rest with "##" before it; if some
// rest has no match, the whole word is unknown. `word` is only a buffer to cut in.
template <typename Sink>
void WordPiece::split_word(std::string& word, Sink sink) const {
  if (const auto whole = tokens_.find(word)) return sink(*whole);
  if (word.size() > kWordCharsMax && char_count(word) > kWordCharsMax) return sink(unknown_);
  // A token has at least one of the word's at most 100 characters.
  std::array<TokenId, kWordCharsMax> found;
  std::size_t count = 0;
  word.insert(0, kContinuation);
  for (std::size_t begin = kContinuation.size(); begin < word.size();) {
    // The bytes of the word before `begin` are done with: "##" goes over the last two of them.
    std::size_t from = begin;
    if (begin != kContinuation.size()) {
      from = begin - kContinuation.size();
      std::ranges::copy(kContinuation, word.begin() + static_cast<std::ptrdiff_t>(from));
    }
    std::size_t length = std::min(word.size() - from, token_bytes_max_);
    std::optional<TokenId> id;
    while (from + length > begin) {
      id = tokens_.find(std::string_view(word).substr(from, length));
      if (id) break;
      --length;
    }
    if (!id) return sink(unknown_);
    found[count++] = *id;
    begin = from + length;
  }
  for (std::size_t i = 0; i < count; ++i) sink(found[i]);
}

template <typename Sink>
void WordPiece::for_each_token(std::string_view text, Sink sink) const {
  WordBuilder builder([&](std::string& word) { split_word(word, sink); });
  while (!text.empty()) {
    if (static_cast<unsigned char>(text[0]) < 0x80) {
      builder.add_ascii(text[0]);
      text.remove_prefix(1);
    } else {
      const Utf8CodePoint next = decode_utf8(text);
      builder.add(next.value);
      text.remove_prefix(next.size);
    }
  }
  builder.flush();
}

std::vector<TokenId> WordPiece::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4 + 2);
  if (options.add_special) ids.push_back(start_);
  for_each_token(text, [&ids](TokenId id) { ids.push_back(id); });
  if (options.add_special) ids.push_back(end_);
  return ids;
}

std::size_t WordPiece::count(std::string_view text) const {
  std::size_t count = 0;
  for_each_token(text, [&count](TokenId) { ++count; });
  return count;
}

std::string_view WordPiece::piece(TokenId id) const noexcept {
  const bool known = id >= 0 && static_cast<std::size_t>(id) < tokens_.size();
  return known ? tokens_.text(id) : std::string_view();
}

std::string_view bert_base_uncased_vocabulary() noexcept {
  return {weft_bert_base_uncased_vocabulary_begin, weft_bert_base_uncased_vocabulary_end};
}

}  // namespace weft::inference
