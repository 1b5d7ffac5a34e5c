#pragma once
// Where sentences begin and end: for cutting long paragraphs, and for binding an answer's sentences
// to the passages that support them. Rules, no model: English abbreviations, decimals, initials,
// quotes, citation marks, list items, and the full stops of Chinese and Japanese.

#include <cstddef>
#include <string_view>
#include <vector>

namespace weft::retrieval {

/// Bytes [start, end) of some text.
struct ByteSpan {
  std::size_t start = 0;
  std::size_t end = 0;

  std::size_t size() const noexcept { return end - start; }
  std::string_view of(std::string_view text) const { return text.substr(start, size()); }
  bool operator==(const ByteSpan&) const = default;
};

/// The sentences of `text`, in order, without the white space around them: none is empty, none
/// overlap, and every byte that isn't ASCII white space is in exactly one. What closes a sentence
/// belongs to it: quotes, brackets, and marks such as [1]. A line break within a paragraph
/// doesn't end a sentence; an empty line, a list item and a heading's line do. Linear in the text;
/// any bytes are fine.
std::vector<ByteSpan> sentences(std::string_view text);

}  // namespace weft::retrieval
