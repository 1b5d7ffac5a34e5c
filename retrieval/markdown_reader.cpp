// Markdown: the bytes stay as they are; only the title is looked for.

#include <algorithm>

#include "retrieval/blocks.h"
#include "retrieval/encoding.h"
#include "retrieval/reader.h"

namespace weft::retrieval {
namespace {

constexpr std::size_t kTitleBytesMax = 200;

// `title: "Words"` of YAML, `title = "Words"` of TOML: a line of its own, not nested.
std::string front_matter_title(std::string_view meta) {
  for (std::size_t at = 0; at < meta.size();) {
    const Line line = line_at(meta, at);
    at = line.next;
    std::string_view words = meta.substr(line.start, line.end - line.start);
    if (!words.starts_with("title")) continue;
    words.remove_prefix(5);
    const auto strip = [&] {
      while (!words.empty() && is_space(words.front())) words.remove_prefix(1);
      while (!words.empty() && is_space(words.back())) words.remove_suffix(1);
    };
    strip();
    if (words.empty() || (words[0] != ':' && words[0] != '=')) continue;
    words.remove_prefix(1);
    strip();
    if (words.size() >= 2 && words.front() == words.back() &&
        (words.front() == '"' || words.front() == '\'')) {
      words = words.substr(1, words.size() - 2);
    }
    return std::string(words.substr(0, floor_border(words, kTitleBytesMax)));
  }
  return {};
}

}  // namespace

Result<Extracted> read_markdown(std::string bytes) {
  WEFT_TRY(decoded, decode_text(std::move(bytes)));
  Extracted document{std::move(decoded.text), "", "markdown", decoded.unchanged};
  const std::string_view text = document.text;
  for (const Block& block : markdown_blocks(text)) {
    const auto words = text.substr(block.start, block.end - block.start);
    if (block.kind == BlockKind::kMeta) document.title = front_matter_title(words);
    if (!document.title.empty()) break;
    if (block.kind == BlockKind::kHeading && block.level == 1) {
      document.title = heading_text(words, kTitleBytesMax);
      break;
    }
  }
  return document;
}

}  // namespace weft::retrieval
