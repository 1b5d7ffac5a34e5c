#pragma once
// Checks what the chunker promises of all documents, for its tests and those that mutate documents.

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "retrieval/chunker.h"
#include "retrieval/encoding.h"

namespace weft::retrieval {

/// Counts runs between blanks: a counter whose numbers are worked out by eye.
inline std::size_t blank_separated(std::string_view text) {
  std::size_t count = 0;
  bool inside = false;
  for (const char c : text) {
    count += !inside && !is_space(c) ? 1 : 0;
    inside = !is_space(c);
  }
  return count;
}

/// The passages of `document`, after checking the header's list of promises.
inline std::vector<Passage> passages_of(const Extracted& document, const ChunkOptions& options = {},
                                        const TokenCounter& count = blank_separated,
                                        bool valid_utf8 = true) {
  const auto result = chunk(document, count, options);
  REQUIRE(result);
  const std::string_view text = document.text;
  std::size_t covered = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  std::size_t last_start = 0;
  bool good = true;
  for (const Passage& passage : *result) {
    good = good && passage.start < passage.end && passage.end <= text.size();
    good = good && passage.text == text.substr(passage.start, passage.end - passage.start);
    good = good && (&passage == result->data() || passage.start > last_start);
    if (valid_utf8) {
      good = good && !is_continuation(text[passage.start]) &&
             (passage.end == text.size() || !is_continuation(text[passage.end]));
      const std::size_t path = passage.heading_path.empty() ? 0 : count(passage.heading_path);
      // A single character may be more than there is room for.
      good = good && (path + count(passage.text) <= options.tokens_max || passage.text.size() <= 4);
    }
    good = good && passage.text.size() <= options.tokens_max * options.bytes_per_token_max;
    for (; covered < passage.start; ++covered) good = good && is_space(text[covered]);
    covered = std::max(covered, passage.end);
    last_start = passage.start;
    if (!good) {
      CAPTURE(passage.start, passage.end, passage.text, passage.heading_path);
      REQUIRE(good);
    }
  }
  REQUIRE(std::all_of(text.begin() + static_cast<std::ptrdiff_t>(covered), text.end(), is_space));
  return *result;
}

}  // namespace weft::retrieval
