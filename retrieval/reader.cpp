#include "retrieval/reader.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::retrieval {
namespace {

using Reader = Result<Extracted> (*)(std::string bytes, const ReadOptions& options);

constexpr std::array<std::string_view, 7> kExtensions = {".txt",  ".text", ".md", ".markdown",
                                                         ".html", ".htm",  ".pdf"};
constexpr std::array<Reader, kExtensions.size()> kReaders = {
    [](std::string bytes, const ReadOptions&) { return read_text(std::move(bytes)); },
    [](std::string bytes, const ReadOptions&) { return read_text(std::move(bytes)); },
    [](std::string bytes, const ReadOptions&) { return read_markdown(std::move(bytes)); },
    [](std::string bytes, const ReadOptions&) { return read_markdown(std::move(bytes)); },
    [](std::string bytes, const ReadOptions& options) {
      return read_html(std::move(bytes), options);
    },
    [](std::string bytes, const ReadOptions& options) {
      return read_html(std::move(bytes), options);
    },
    [](std::string bytes, const ReadOptions& options) { return read_pdf(bytes, options); },
};

std::string extension_of(std::string_view name) {
  name = name.substr(name.find_last_of('/') + 1);  // npos + 1 is 0
  const std::size_t dot = name.find_last_of('.');
  std::string extension(dot == name.npos ? std::string_view() : name.substr(dot));
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension;
}

}  // namespace

std::span<const std::string_view> readable_extensions() noexcept { return kExtensions; }

bool is_readable(std::string_view name) {
  return std::ranges::find(kExtensions, extension_of(name)) != kExtensions.end();
}

Result<Extracted> read_document(std::string_view name, std::string bytes,
                                const ReadOptions& options) {
  const std::string extension = extension_of(name);
  const auto found = std::ranges::find(kExtensions, extension);
  if (found == kExtensions.end()) {
    std::string known;
    for (const std::string_view each : kExtensions) known.append(" ").append(each);
    return Error{ErrorCode::kUnsupported,
                 std::string(name) + ": no reader for " +
                     (extension.empty() ? "files without an extension" : extension) +
                     "; there are readers for" + known};
  }
  if (bytes.size() > options.bytes_max) {
    return Error{ErrorCode::kResourceExhausted,
                 std::string(name) + ": " + std::to_string(bytes.size()) +
                     " bytes are more than the " + std::to_string(options.bytes_max) +
                     " that a document may have; split it or raise the bound"};
  }
  auto read =
      kReaders[static_cast<std::size_t>(found - kExtensions.begin())](std::move(bytes), options);
  if (!read) return std::move(read).error().with_context(name);
  return read;
}

}  // namespace weft::retrieval
