#pragma once
// Sets of Unicode code points, and the bytes that UTF-8 writes them with. Surrogates are in no set.

#include <cstdint>
#include <string_view>
#include <vector>

namespace weft::inference::grammar {

inline constexpr char32_t kCodePointMax = 0x10FFFF;

class CodePointSet {
 public:
  struct Range {
    char32_t first;
    char32_t last;  // included

    friend bool operator==(const Range&, const Range&) = default;
  };

  CodePointSet() = default;  // empty
  static CodePointSet of(char32_t first, char32_t last);
  static CodePointSet of(std::string_view ascii);  // each of its characters
  static CodePointSet all() { return of(0, kCodePointMax); }

  CodePointSet& add(const CodePointSet& other);
  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;
  CodePointSet common(const CodePointSet& other) const;

  bool empty() const noexcept { return ranges_.empty(); }
  bool contains(char32_t value) const noexcept;
  /// In order, with gaps between them.
  const std::vector<Range>& ranges() const noexcept { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

/// Sequences of byte ranges, 1 to 4 long, whose bytes together are the UTF-8 of a set.
struct ByteRange {
  std::uint8_t first;
  std::uint8_t last;
};
std::vector<std::vector<ByteRange>> utf8_sequences(const CodePointSet& set);

}  // namespace weft::inference::grammar
