#include "inference/grammar/code_points.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace weft::inference::grammar {
namespace {

constexpr char32_t kSurrogateFirst = 0xD800;
constexpr char32_t kSurrogateLast = 0xDFFF;

std::string utf8(char32_t value) {
  std::string text;
  append_utf8(text, value);
  return text;
}

/// Appends the sequences of [first, last], whose encodings have the same length.
void append_sequences(std::vector<std::vector<ByteRange>>& sequences, char32_t first,
                      char32_t last) {
  const std::string low = utf8(first);
  const std::string high = utf8(last);
  // Split until below the first byte that differs everything from 80 to BF is allowed.
  for (std::size_t i = low.size() - 1; i >= 1; --i) {
    const char32_t below = (char32_t{1} << (6 * i)) - 1;  // what i continuation bytes hold
    if ((first & ~below) == (last & ~below)) continue;
    if ((first & below) != 0) {
      append_sequences(sequences, first, first | below);
      append_sequences(sequences, (first | below) + 1, last);
      return;
    }
    if ((last & below) != below) {
      append_sequences(sequences, first, (last & ~below) - 1);
      append_sequences(sequences, last & ~below, last);
      return;
    }
  }
  std::vector<ByteRange> sequence;
  for (std::size_t i = 0; i < low.size(); ++i) {
    sequence.push_back({static_cast<std::uint8_t>(low[i]), static_cast<std::uint8_t>(high[i])});
  }
  sequences.push_back(std::move(sequence));
}

}  // namespace

CodePointSet CodePointSet::of(char32_t first, char32_t last) {
  CodePointSet set;
  const auto add = [&](char32_t from, char32_t to) {
    if (from <= to) set.ranges_.push_back({from, to});
  };
  last = std::min(last, kCodePointMax);
  add(first, std::min<char32_t>(last, kSurrogateFirst - 1));
  add(std::max<char32_t>(first, kSurrogateLast + 1), last);
  return set;
}

CodePointSet CodePointSet::of(std::string_view ascii) {
  CodePointSet set;
  for (const char letter : ascii) {
    const auto value = static_cast<unsigned char>(letter);
    set.add(of(value, value));
  }
  return set;
}

CodePointSet& CodePointSet::add(const CodePointSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  std::ranges::sort(ranges_, {}, &Range::first);
  std::vector<Range> merged;
  for (const Range& range : ranges_) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  ranges_ = std::move(merged);
  return *this;
}

CodePointSet CodePointSet::complement() const {
  CodePointSet set;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) set.add(of(next, range.first - 1));
    next = range.last + 1;
  }
  if (next <= kCodePointMax) set.add(of(next, kCodePointMax));
  return set;
}

CodePointSet CodePointSet::common(const CodePointSet& other) const {
  return complement().add(other.complement()).complement();
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  return common(other.complement());
}

bool CodePointSet::contains(char32_t value) const noexcept {
  return std::ranges::any_of(
      ranges_, [value](const Range& range) { return range.first <= value && value <= range.last; });
}

std::vector<std::vector<ByteRange>> utf8_sequences(const CodePointSet& set) {
  static constexpr char32_t kLongest[] = {0x7F, 0x7FF, 0xFFFF, kCodePointMax};  // of 1 to 4 bytes
  std::vector<std::vector<ByteRange>> sequences;
  for (const auto& range : set.ranges()) {
    char32_t begin = 0;
    for (const char32_t end : kLongest) {
      const char32_t first = std::max(range.first, begin);
      const char32_t last = std::min(range.last, end);
      if (first <= last) append_sequences(sequences, first, last);
      begin = end + 1;
    }
  }
  return sequences;
}

}  // namespace weft::inference::grammar
