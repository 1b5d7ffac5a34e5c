#pragma once
// The blocks a text is made of: headings, paragraphs, code, lists, tables. A line scanner for
// Markdown's structure (CommonMark's, less nesting and reference links), so that text isn't changed
// and every block is a span of it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::retrieval {

enum class BlockKind : std::uint8_t {
  kParagraph,
  kHeading,
  kCode,   // fenced, with its fences
  kList,   // items until an empty line that no item or indented line follows
  kTable,  // lines of cells between '|'
  kMeta,   // front matter, with its fences
};

struct Block {
  BlockKind kind = BlockKind::kParagraph;
  int level = 0;          // of a heading: 1..6
  std::size_t start = 0;  // bytes [start, end), whole lines without the last line break
  std::size_t end = 0;

  bool operator==(const Block&) const = default;
};

/// Blocks of Markdown, in order; every byte that isn't white space is in exactly one. Linear.
std::vector<Block> markdown_blocks(std::string_view text);

/// Paragraphs between empty lines: the blocks of plain text.
std::vector<Block> plain_blocks(std::string_view text);

/// Whether a line starts an item of a list: "- ", "* ", "+ ", "1. ", "1) ".
bool is_list_item(std::string_view line);

/// A heading's words without its marks, emphasis and link targets, on one line, cut at `bytes_max`.
std::string heading_text(std::string_view heading, std::size_t bytes_max);

/// The next line from `at`, without its line break; `next` is where the one after it starts.
struct Line {
  std::size_t start = 0, end = 0, next = 0;
};
Line line_at(std::string_view text, std::size_t at) noexcept;

}  // namespace weft::retrieval
