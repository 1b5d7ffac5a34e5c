#pragma once
// Turns a file's bytes into text that can be searched and cited: one reader a format, picked by the
// name's extension. What can't be read is an Error whose message says why, for a report to show.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "retrieval/document.h"

namespace weft::retrieval {

/// Raised whenever the same bytes may give another text: what was read before is read anew.
inline constexpr int kReaderVersion = 1;

struct ReadOptions {
  std::size_t bytes_max = 64U << 20;             // of a file
  std::size_t html_memory_bytes_max = 1U << 30;  // of its tree: about 20 times a page's size
  std::chrono::milliseconds html_timeout{20'000};
  std::string pdftotext = "pdftotext";  // the program, from poppler-utils
  std::chrono::milliseconds pdf_timeout{60'000};
  std::uint64_t pdf_memory_bytes_max = 2ULL << 30;
  std::stop_token stop;
};

/// The extensions there is a reader for, lower case with their dot: ".txt", ".md", ...
std::span<const std::string_view> readable_extensions() noexcept;
/// Whether `name` ends in one of them, in any case.
bool is_readable(std::string_view name);

/// The document in `bytes`, which came from a file called `name` (a path is fine).
/// Text is UTF-8; UTF-16 with a byte-order mark is converted, and bytes that aren't UTF-8 are taken
/// as Windows-1252, which old files mostly are and which can't fail: then `offsets_in_source` is
/// false. The result is valid UTF-8 and may be empty for an empty file.
/// Errors: kUnsupported (extension, binary content, a PDF without text, encryption), kCorrupt,
/// kResourceExhausted (too big), kNotFound (pdftotext isn't installed), kDeadlineExceeded,
/// kCancelled.
Result<Extracted> read_document(std::string_view name, std::string bytes,
                                const ReadOptions& options = {});

// The readers themselves.
Result<Extracted> read_text(std::string bytes);
Result<Extracted> read_markdown(std::string bytes);
Result<Extracted> read_html(std::string bytes, const ReadOptions& options);
Result<Extracted> read_pdf(std::string_view bytes, const ReadOptions& options);

/// Text in valid UTF-8, and whether it still is the file's bytes.
struct DecodedText {
  std::string text;
  bool unchanged = false;
};
/// Errors: kUnsupported if it is no text: NUL bytes or many control characters.
Result<DecodedText> decode_text(std::string bytes);

}  // namespace weft::retrieval
