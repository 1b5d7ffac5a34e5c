#pragma once
// A reader and a chunker as simple as can be: a file is its bytes, a passage is a paragraph.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "retrieval/document.h"

namespace weft::test {

inline retrieval::Extracted plain_text(std::string_view bytes) {
  retrieval::Extracted extracted;
  extracted.text = bytes;
  extracted.title = bytes.substr(0, bytes.find('\n'));
  extracted.format = "text";
  extracted.offsets_in_source = true;
  return extracted;
}

/// The parts between blank lines.
inline std::vector<retrieval::Passage> paragraphs(const retrieval::Extracted& extracted) {
  std::vector<retrieval::Passage> passages;
  const std::string& text = extracted.text;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", start), text.size());
    retrieval::Passage passage;
    passage.start = start;
    passage.end = end;
    passage.text = text.substr(start, end - start);
    if (start != end) passages.push_back(std::move(passage));
    start = end + 2;
  }
  return passages;
}

}  // namespace weft::test
