#pragma once
// What the search side of Weft passes around: a file's text, its passages, and a passage that was
// found. Offsets are bytes, so that a citation can point at the very bytes that say it.

#include <cstddef>
#include <cstdint>
#include <string>

namespace weft::retrieval {

/// What a reader got out of a file.
struct Extracted {
  std::string text;    // what byte offsets refer to: of .txt and .md the file's own bytes, of .html
                       // and .pdf the extracted text
  std::string title;   // empty if the file has none
  std::string format;  // "text", "markdown", "html", "pdf"
  bool offsets_in_source = false;  // whether `text` is the file's bytes

  bool operator==(const Extracted&) const = default;
};

/// A piece of a document that is searched, shown and cited as one.
struct Passage {
  std::size_t start = 0;  // bytes [start, end) of Extracted::text
  std::size_t end = 0;
  std::string heading_path;  // "Install > Linux"; empty if under no heading
  std::string text;          // that substring

  bool operator==(const Passage&) const = default;
};

/// A passage that a search found, with what a citation needs.
struct PassageHit {
  std::int64_t passage = 0;   // id, never reused in its store
  std::int64_t document = 0;  // id, kept when the document is replaced
  std::string root;           // the indexed directory
  std::string source;         // path relative to `root`
  std::string title;
  std::string heading_path;
  std::size_t start = 0;  // bytes of the document's text
  std::size_t end = 0;
  double score = 0.0;  // higher is better; comparable within one search alone
  std::string text;

  bool operator==(const PassageHit&) const = default;
};

}  // namespace weft::retrieval
