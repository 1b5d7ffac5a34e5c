// PDF through poppler's pdftotext as a child process: PDF parsers crash and hang on hostile files,
// and poppler's licence is the GPL, so it isn't linked.

#include <algorithm>
#include <utility>

#include "base/child_process.h"
#include "base/utf8.h"
#include "retrieval/encoding.h"
#include "retrieval/reader.h"

namespace weft::retrieval {
namespace {

constexpr std::size_t kTextBytesMax = 64U << 20;
constexpr std::size_t kReasonBytesMax = 200;
constexpr std::string_view kHeadEnd = "<pre>\n";
constexpr std::string_view kTail = "</pre>\n</body>\n</html>\n";

// The first line of what the program complained about.
std::string reason_in(std::string_view errors) {
  errors = errors.substr(0, std::min(errors.find('\n'), kReasonBytesMax));
  return repair_utf8(errors);
}

std::string unescaped(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto found = std::ranges::find_if(
        kEntities, [&](const auto& entity) { return text.substr(at).starts_with(entity.first); });
    const bool plain = found == std::end(kEntities);
    out.push_back(plain ? text[at] : found->second);
    at += plain ? 1 : found->first.size();
  }
  return out;
}

// A page ends in a form feed: a paragraph ends there too, as far as we can know. Other control
// characters are of no use to a reader.
std::string without_form_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\f') {
      while (!out.empty() && is_space(out.back())) out.pop_back();
      if (!out.empty()) out += "\n\n";
    } else if (static_cast<unsigned char>(c) >= 0x20 || is_space(c)) {
      out.push_back(c);
    }
  }
  while (!out.empty() && is_space(out.back())) out.pop_back();
  if (!out.empty()) out.push_back('\n');
  return out;
}

Error failure(const ChildResult& result, const ReadOptions& options) {
  const std::string reason = reason_in(result.errors);
  if (reason.find("password") != reason.npos || reason.find("ncrypt") != reason.npos) {
    return Error{ErrorCode::kUnsupported, "the PDF is encrypted; save a copy without a password"};
  }
  if (result.signal != 0) {
    return Error{ErrorCode::kCorrupt,
                 options.pdftotext + " was ended by signal " + std::to_string(result.signal) +
                     ": the PDF is broken or needs more time or memory than it may have"};
  }
  return Error{ErrorCode::kCorrupt, options.pdftotext + " can't read the PDF: " + reason};
}

}  // namespace

Result<Extracted> read_pdf(std::string_view bytes, const ReadOptions& options) {
  // Readers look for the mark in the first kilobyte.
  if (bytes.substr(0, 1024).find("%PDF-") == bytes.npos) {
    return Error{ErrorCode::kCorrupt, "not a PDF: it doesn't start with %PDF-"};
  }
  ChildOptions child;
  // Reading order, not -layout: columns would be woven into each other line by line.
  child.argv = {options.pdftotext, "-q", "-enc", "UTF-8", "-eol", "unix", "-htmlmeta", "-", "-"};
  child.input = bytes;
  child.environment_set = {"LC_ALL=C"};
  child.timeout = options.pdf_timeout;
  child.cpu_time_max = std::chrono::ceil<std::chrono::seconds>(options.pdf_timeout);
  child.memory_bytes_max = options.pdf_memory_bytes_max;
  child.output_bytes_max = kTextBytesMax;
  child.stop = options.stop;
  auto ran = run_child(child);
  if (!ran && ran.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound, options.pdftotext +
                                           " isn't installed, which reads PDF files: "
                                           "apt-get install poppler-utils"};
  }
  if (!ran) return std::move(ran).error();
  if (!ran->ok()) return failure(*ran, options);

  std::string_view output = ran->output;
  const std::size_t head = output.find(kHeadEnd);
  std::string title;
  if (head != output.npos) {
    const std::string_view top = output.substr(0, head);
    const std::size_t open = top.find("<title>");
    const std::size_t close = top.find("</title>");
    if (open != top.npos && close != top.npos && close > open) {
      title = repair_utf8(unescaped(top.substr(open + 7, close - open - 7)));
    }
    output.remove_prefix(head + kHeadEnd.size());
    if (output.ends_with(kTail)) output.remove_suffix(kTail.size());
  }
  std::string text = without_form_feeds(repair_utf8(output));
  if (std::ranges::all_of(text, is_space)) {
    return Error{ErrorCode::kUnsupported,
                 "no text layer, needs OCR: the PDF's pages hold pictures alone"};
  }
  return Extracted{std::move(text), std::move(title), "pdf", false};
}

}  // namespace weft::retrieval
