#include "retrieval/sentences.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/utf8.h"
#include "retrieval/encoding.h"

namespace weft::retrieval {
namespace {

// After these a period goes with the word, whatever follows.
constexpr std::array<std::string_view, 52> kNeverEnd = {
    "adm",  "al",  "approx", "assoc", "brig",   "capt", "cf",   "col", "cmdr", "dept", "dr",
    "e.g",  "ed",  "eds",    "eq",    "eqs",    "esp",  "est",  "fig", "figs", "gen",  "gov",
    "hon",  "i.e", "lt",     "maj",   "messrs", "mr",   "mrs",  "ms",  "mt",   "pp",   "prof",
    "pvt",  "ref", "refs",   "rep",   "rev",    "sec",  "sect", "sen", "sens", "sgt",  "st",
    "supt", "tab", "vol",    "vols",  "viz",    "vs",   "reps", "ch"};
// After these it may end the sentence too: it does if a word follows that likely starts one.
constexpr std::array<std::string_view, 14> kMayEnd = {"a.m", "bros", "co",  "corp", "etc",
                                                      "inc", "jr",   "ltd", "p.m",  "ph.d",
                                                      "plc", "sr",   "u.k", "u.s"};
// Abbreviations only before a number: "No. 5", "p. 12".
constexpr std::array<std::string_view, 16> kBeforeNumber = {
    "apr", "art", "aug", "dec", "feb", "jan", "jul", "jun",
    "mar", "no",  "nos", "nov", "oct", "p",   "sep", "sept"};
constexpr std::array<std::string_view, 40> kStarters = {
    "A",    "After", "All",  "Also",  "An",    "And",  "As",   "At",      "But",  "By",
    "Each", "For",   "From", "He",    "Her",   "His",  "How",  "However", "I",    "If",
    "In",   "It",    "Its",  "My",    "No",    "On",   "Or",   "Our",     "She",  "So",
    "That", "The",   "Then", "There", "These", "They", "This", "We",      "When", "You"};

constexpr std::size_t kWordBytesMax = 24;  // longer words are no abbreviations
constexpr std::size_t kMarkBytesMax = 32;  // of a citation mark such as [1, 2]
constexpr std::size_t kClosersMax = 8;     // quotes and brackets after a full stop

template <std::size_t N>
bool among(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_upper(c) || is_lower(c); }

bool is_wide_stop(char32_t c) { return c == U'。' || c == U'！' || c == U'？' || c == U'｡'; }
bool is_closer(char32_t c) {
  static constexpr std::u32string_view kClosers = U"\"')]}”’»」』）】》";
  return kClosers.find(c) != kClosers.npos;
}

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<ByteSpan> run() {
    std::size_t at = 0;
    while (at < text_.size()) {
      const char c = text_[at];
      if (c == '\n') {
        at = line_break(at);
      } else if (c == '.' || c == '!' || c == '?') {
        at = full_stop(at);
      } else if (static_cast<unsigned char>(c) < 0x80) {
        ++at;
      } else {
        const Utf8CodePoint point = decode_utf8(text_.substr(at));
        at += point.size;
        if (is_wide_stop(point.value)) {
          at = past_closers(at);
          cut(at);
        } else if (point.value == U'…') {
          at = past_closers(at);
          if (at < text_.size() && is_space(text_[at]) && !continues(at)) cut(at);
        }
      }
    }
    cut(text_.size());
    return std::move(spans_);
  }

 private:
  std::size_t past_spaces(std::size_t at) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at;
  }

  void cut(std::size_t at) {
    std::size_t start = past_spaces(begin_);
    std::size_t end = at;
    while (end > start && is_space(text_[end - 1])) --end;
    if (end > start) spans_.push_back({start, end});
    begin_ = std::max(begin_, at);
  }

  bool starts_item(std::size_t at) const {
    if (at >= text_.size()) return false;
    const char c = text_[at];
    const auto space_at = [&](std::size_t i) { return i < text_.size() && is_space(text_[i]); };
    if (c == '-' || c == '*' || c == '+') return space_at(at + 1);
    if (c == '|' || c == '#') return true;
    if (text_.substr(at, 3) == "•") return true;
    std::size_t digits = 0;
    while (digits < 4 && at + digits < text_.size() && is_digit(text_[at + digits])) ++digits;
    const std::size_t mark = at + digits;
    return digits > 0 && mark < text_.size() && (text_[mark] == '.' || text_[mark] == ')') &&
           space_at(mark + 1);
  }

  bool line_is_item_or_heading(std::size_t newline) const {
    return line_start_ < newline && (text_[line_start_] == '#' || text_[line_start_] == '|');
  }

  std::size_t line_break(std::size_t at) {
    std::size_t next = at + 1;
    bool empty_line = false;
    while (next < text_.size() && is_space(text_[next])) {
      empty_line = empty_line || text_[next] == '\n';
      ++next;
    }
    if (empty_line || starts_item(next) || line_is_item_or_heading(at)) cut(at);
    line_start_ = next;
    return next;
  }

  std::size_t past_closers(std::size_t at) const {
    for (std::size_t count = 0; count < kClosersMax && at < text_.size(); ++count) {
      const Utf8CodePoint point = decode_utf8(text_.substr(at));
      if (!is_closer(point.value)) break;
      at += point.size;
    }
    return at;
  }

  // Past "[1]", "[2, 3]" and the like, with blanks between, if a sentence ends there.
  std::size_t past_marks(std::size_t at) const {
    std::size_t after = at;
    for (std::size_t count = 0; count < kClosersMax; ++count) {
      std::size_t i = after;
      while (i < text_.size() && text_[i] == ' ') ++i;
      if (i >= text_.size() || text_[i] != '[') break;
      std::size_t close = i + 1;
      while (close < text_.size() && close - i < kMarkBytesMax &&
             (is_digit(text_[close]) || text_[close] == ',' || text_[close] == ' ')) {
        ++close;
      }
      if (close == i + 1 || close >= text_.size() || text_[close] != ']') break;
      after = close + 1;
    }
    return after;
  }

  std::string_view word_before(std::size_t period) const {
    std::size_t start = period;
    while (start > begin_ && period - start <= kWordBytesMax &&
           (is_letter(text_[start - 1]) || text_[start - 1] == '.')) {
      --start;
    }
    return text_.substr(start, period - start);
  }

  std::string_view word_after(std::size_t at) const {
    std::size_t end = at;
    while (end < text_.size() && end - at < kWordBytesMax && is_letter(text_[end])) ++end;
    return text_.substr(at, end - at);
  }

  // Whether what follows the white space at `at` carries the sentence on.
  bool continues(std::size_t at) const {
    const std::size_t next = past_spaces(at);
    return next < text_.size() && is_lower(text_[next]);
  }

  bool period_is_inside(std::size_t period, std::size_t after) const {
    const std::size_t next = past_spaces(after);
    if (next >= text_.size()) return false;
    if (is_lower(text_[next]) || text_[next] == ',' || text_[next] == ';') return true;
    // "1. First": the number is the item's, not a sentence.
    const auto head = text_.substr(line_start_, period - line_start_);
    if (!head.empty() && head.size() <= 4 && std::ranges::all_of(head, is_digit)) return true;

    const std::string_view original = word_before(period);
    if (original.empty() || original.size() > kWordBytesMax) return false;
    std::string word(original);
    std::ranges::transform(word, word.begin(), [](char c) {
      return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (among(kNeverEnd, word)) return true;
    if (among(kBeforeNumber, word) && is_digit(text_[next])) return true;
    const bool starter = among(kStarters, word_after(next));
    const bool initials =
        original.size() == 1 ? is_upper(original[0]) : original.size() >= 3 && original[1] == '.';
    // "J. Smith", but "as I. Then": the pronoun ends one more often than it abbreviates.
    if (initials && original.size() == 1) return original != "I" || !starter;
    return (initials || among(kMayEnd, word)) && !starter && after == period + 1;
  }

  std::size_t full_stop(std::size_t at) {
    const std::size_t first = at;
    while (at < text_.size() && (text_[at] == '.' || text_[at] == '!' || text_[at] == '?')) ++at;
    const bool lone_period = at == first + 1 && text_[first] == '.';
    const bool ellipsis = at > first + 1 && text_[first] == '.' && text_[first + 1] == '.';
    std::size_t after = past_closers(at);
    const std::size_t marked = past_marks(after);
    const bool ends_here = marked >= text_.size() || is_space(text_[marked]);
    // Inside a number, an address, a file's name: 3.14, weft.dev, a.txt.
    if (!ends_here) return at;
    if (lone_period && marked == after && period_is_inside(first, after)) return at;
    if (ellipsis && continues(after)) return at;
    // "Stop!" he said: a closing quote and a small letter carry on.
    if (!lone_period && after > at && continues(after)) return at;
    cut(marked);
    return marked;
  }

  std::string_view text_;
  std::size_t begin_ = 0;       // of the sentence being read
  std::size_t line_start_ = 0;  // its line's first byte that isn't a blank
  std::vector<ByteSpan> spans_;
};

}  // namespace

std::vector<ByteSpan> sentences(std::string_view text) { return Splitter(text).run(); }

}  // namespace weft::retrieval
