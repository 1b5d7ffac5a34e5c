#include "retrieval/blocks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "retrieval/encoding.h"

namespace weft::retrieval {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kFrontMatterBytesMax = 64U << 10;

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

std::size_t indent_of(std::string_view line) {
  std::size_t width = 0;
  for (const char c : line) {
    if (c != ' ' && c != '\t') break;
    width += c == '\t' ? 4 : 1;
  }
  return width;
}

std::size_t run_of(std::string_view text, char c) {
  return std::min(text.find_first_not_of(c), text.size());
}

int atx_level(std::string_view line) {
  if (indent_of(line) > 3) return 0;
  line = trimmed(line);
  const std::size_t marks = run_of(line, '#');
  const bool heading = marks >= 1 && marks <= 6 &&
                       (marks == line.size() || line[marks] == ' ' || line[marks] == '\t');
  return heading ? static_cast<int>(marks) : 0;
}

int underline_level(std::string_view line) {
  if (indent_of(line) > 3) return 0;
  line = trimmed(line);
  if (line.empty() || (line[0] != '=' && line[0] != '-') || run_of(line, line[0]) != line.size()) {
    return 0;
  }
  return line[0] == '=' ? 1 : 2;
}

struct Fence {
  char mark = 0;
  std::size_t size = 0;
};

std::optional<Fence> fence_of(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return std::nullopt;
  const std::size_t size = run_of(line, line[0]);
  // "```x```" on one line is code within a paragraph.
  if (size < 3 || (line[0] == '`' && line.find('`', size) != line.npos)) return std::nullopt;
  return Fence{line[0], size};
}

bool closes(std::string_view line, const Fence& fence) {
  line = trimmed(line);
  const std::size_t size = run_of(line, fence.mark);
  return size >= fence.size && size == line.size();
}

bool is_table_rule(std::string_view line) {
  return line.find('|') != line.npos && line.find("--") != line.npos &&
         line.find_first_not_of("|-: \t\r") == line.npos;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::vector<Block> run() {
    std::size_t at = text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    at = front_matter(at);
    while (at < text_.size()) at = line(line_at(text_, at));
    flush();
    return std::move(blocks_);
  }

 private:
  std::string_view of(const Line& line) const {
    return text_.substr(line.start, line.end - line.start);
  }

  void flush() {
    if (open_) blocks_.push_back(*std::exchange(open_, std::nullopt));
    after_gap_ = false;
  }
  void start(BlockKind kind, const Line& line) {
    flush();
    open_ = Block{kind, 0, line.start, line.end};
    lines_ = 1;
  }

  std::size_t front_matter(std::size_t at) {
    const Line first = line_at(text_, at);
    const std::string_view mark = trimmed(of(first));
    if ((mark != "---" && mark != "+++") || first.start != at) return at;
    for (Line next = first; next.next < text_.size() && next.next < kFrontMatterBytesMax;) {
      next = line_at(text_, next.next);
      const std::string_view words = trimmed(of(next));
      if (words == mark || (mark == "---" && words == "...")) {
        blocks_.push_back({BlockKind::kMeta, 0, at, next.end});
        return next.next;
      }
      if (words.empty() && mark == "---" && next.start == first.next) return at;  // a mere rule
    }
    return at;
  }

  std::size_t line(const Line& line) {
    const std::string_view words = of(line);
    const auto fence = fence_of(words);
    if (fence && (indent_of(words) <= 3 || in_list_item(words))) return code(line, *fence);
    if (trimmed(words).empty()) {
      if (open_ && open_->kind == BlockKind::kList) {
        after_gap_ = true;
      } else {
        flush();
      }
      return line.next;
    }
    if (const int level = atx_level(words); level > 0) {
      flush();
      blocks_.push_back({BlockKind::kHeading, level, line.start, line.end});
      return line.next;
    }
    if (open_ && open_->kind == BlockKind::kParagraph) {
      paragraph_line(line, words);
    } else if (open_ && open_->kind == BlockKind::kTable && trimmed(words)[0] == '|') {
      open_->end = line.end;
    } else if (open_ && open_->kind == BlockKind::kTable && words.find('|') != words.npos) {
      open_->end = line.end;
    } else if (in_list_item(words) ||
               (open_ && open_->kind == BlockKind::kList && is_list_item(words))) {
      open_->end = line.end;
      after_gap_ = false;
    } else {
      start(kind_of(words), line);
    }
    return line.next;
  }

  // Whether the line carries on the open list: indented, or right after an item's line.
  bool in_list_item(std::string_view words) const {
    return open_ && open_->kind == BlockKind::kList && (!after_gap_ || indent_of(words) >= 2);
  }

  static BlockKind kind_of(std::string_view words) {
    if (is_list_item(words)) return BlockKind::kList;
    return trimmed(words)[0] == '|' ? BlockKind::kTable : BlockKind::kParagraph;
  }

  void paragraph_line(const Line& line, std::string_view words) {
    const bool single = lines_ == 1;
    const std::string_view before = text_.substr(open_->start, open_->end - open_->start);
    ++lines_;
    if (const int level = underline_level(words); level > 0 && single) {
      open_->kind = BlockKind::kHeading;
      open_->level = level;
      open_->end = line.end;
      flush();
    } else if (single && is_table_rule(words) && before.find('|') != before.npos) {
      open_->kind = BlockKind::kTable;
      open_->end = line.end;
    } else if (is_list_item(words)) {
      start(BlockKind::kList, line);
    } else {
      open_->end = line.end;
    }
  }

  std::size_t code(const Line& first, const Fence& fence) {
    const bool in_item = in_list_item(text_.substr(first.start, first.end - first.start));
    if (!in_item) start(BlockKind::kCode, first);
    open_->end = first.end;
    std::size_t at = first.next;
    while (at < text_.size()) {
      const Line next = line_at(text_, at);
      at = next.next;
      if (!trimmed(of(next)).empty()) open_->end = next.end;
      if (closes(of(next), fence)) break;
    }
    if (!in_item) flush();
    return at;
  }

  std::string_view text_;
  std::vector<Block> blocks_;
  std::optional<Block> open_;
  std::size_t lines_ = 0;   // of the open block if it is a paragraph
  bool after_gap_ = false;  // the open list was followed by an empty line
};

}  // namespace

bool is_list_item(std::string_view line) {
  line = trimmed(line);
  if (line.empty()) return false;
  const auto blank_at = [&](std::size_t at) { return at < line.size() && is_space(line[at]); };
  if (line[0] == '-' || line[0] == '*' || line[0] == '+') return blank_at(1);
  std::size_t digits = 0;
  while (digits < line.size() && digits < 9 && line[digits] >= '0' && line[digits] <= '9') ++digits;
  return digits > 0 && digits < line.size() && (line[digits] == '.' || line[digits] == ')') &&
         blank_at(digits + 1);
}

Line line_at(std::string_view text, std::size_t at) noexcept {
  const std::size_t newline = std::min(text.find('\n', at), text.size());
  std::size_t end = newline;
  if (end > at && text[end - 1] == '\r') --end;
  return {at, end, std::min(newline + 1, text.size())};
}

std::vector<Block> markdown_blocks(std::string_view text) { return Scanner(text).run(); }

std::vector<Block> plain_blocks(std::string_view text) {
  std::vector<Block> blocks;
  bool open = false;
  std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < text.size()) {
    const Line line = line_at(text, at);
    at = line.next;
    if (trimmed(text.substr(line.start, line.end - line.start)).empty()) {
      open = false;
    } else if (open) {
      blocks.back().end = line.end;
    } else {
      blocks.push_back({BlockKind::kParagraph, 0, line.start, line.end});
      open = true;
    }
  }
  return blocks;
}

std::string heading_text(std::string_view heading, std::size_t bytes_max) {
  const Line first = line_at(heading, 0);  // a second line is the underline
  std::string_view words = trimmed(heading.substr(0, first.end));
  if (atx_level(words) > 0) {
    words = trimmed(words.substr(run_of(words, '#')));
    std::string_view bare = words;
    while (bare.ends_with('#')) bare.remove_suffix(1);
    if (bare.empty() || is_space(bare.back())) words = trimmed(bare);
  }
  std::string out;
  for (std::size_t at = 0; at < words.size() && out.size() < bytes_max + 1; ++at) {
    const char c = words[at];
    if (c == '*' || c == '`' || (c == '[' && words.find("](", at) != words.npos)) continue;
    if (c == ']' && at + 1 < words.size() && words[at + 1] == '(') {
      const std::size_t close = words.find(')', at);
      if (close != words.npos) {
        at = close;
        continue;
      }
    }
    if (is_space(c) && (out.empty() || out.back() == ' ')) continue;
    out.push_back(is_space(c) ? ' ' : c);
  }
  if (out.size() > bytes_max) out.resize(floor_border(out, bytes_max));
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace weft::retrieval
