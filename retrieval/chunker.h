#pragma once
// Cuts a document into passages along its structure: sections, then blocks (code, lists and tables
// stay whole where they fit), then sentences, then words. spec: passages carry their heading path
// and the exact bytes they are.

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "retrieval/document.h"

namespace weft::retrieval {

/// How many tokens of the embedding model's tokenizer a text has. Called with valid UTF-8 if the
/// document is; its time must be linear.
using TokenCounter = std::function<std::size_t(std::string_view)>;

/// Raised whenever the passages of the same text may change: what was cut before is cut anew.
inline constexpr int kChunkerVersion = 1;

struct ChunkOptions {
  std::size_t tokens_max = 240;  // of heading path and text together; at least 32
  double overlap = 0.12;         // share of tokens_max repeated from the passage before, 0..0.5
  std::size_t bytes_per_token_max = 16;  // a passage has at most tokens_max times that many bytes:
                                         // a counter may count a page without blanks as one token
};

/// The passages of `document`, ordered by start. Always:
/// - text == document.text.substr(start, end - start), never empty, no UTF-8 character cut;
/// - every byte that isn't ASCII white space (or a byte-order mark) is in a passage;
/// - count(heading_path) + count(text) <= tokens_max, unless a single character is more;
/// - a passage doesn't reach over a heading, except from a heading without text to the next one.
/// heading_path is "Title > Section > Sub"; long ones lose their outer parts.
/// Time is linear in the text plus a few calls of the counter a passage.
/// Errors: kInvalidArgument for options out of range.
Result<std::vector<Passage>> chunk(const Extracted& document, const TokenCounter& count_tokens,
                                   const ChunkOptions& options = {});

}  // namespace weft::retrieval
