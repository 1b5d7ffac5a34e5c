// HTML as text whose structure the chunker sees: headings as "# ", lists as "- ", tables as
// "| a | b |", <pre> between fences, paragraphs between empty lines. What isn't the page's own
// content is left out: scripts, forms, navigation, hidden parts.

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "retrieval/blocks.h"
#include "retrieval/encoding.h"
#include "retrieval/html_tree.h"
#include "retrieval/reader.h"

namespace weft::retrieval {
namespace {

constexpr std::size_t kTitleBytesMax = 200;
constexpr std::size_t kIndentMax = 8;  // levels of lists that are indented

constexpr std::array<std::string_view, 21> kNoText = {
    "script", "style",    "template", "noscript", "svg",   "math",     "canvas",
    "iframe", "object",   "embed",    "applet",   "audio", "video",    "map",
    "select", "textarea", "button",   "datalist", "meter", "progress", "noframes"};
constexpr std::array<std::string_view, 3> kBoilerplate = {"nav", "footer", "menu"};
constexpr std::array<std::string_view, 4> kBoilerplateRoles = {"navigation", "search", "menu",
                                                               "contentinfo"};
constexpr std::array<std::string_view, 27> kBlocks = {
    "address", "article", "aside",   "blockquote", "body",     "center",     "dd",
    "details", "div",     "dl",      "dt",         "fieldset", "figcaption", "figure",
    "form",    "header",  "hr",      "html",       "legend",   "main",       "p",
    "section", "summary", "caption", "footer",     "nav",      "menu"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

int heading_level(std::string_view name) {
  return name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6' ? name[1] - '0' : 0;
}

bool is_hidden(const HtmlElement& element) {
  if (element.attribute("hidden")) return true;
  if (element.attribute("aria-hidden").value_or("") == "true") return true;
  std::string style(element.attribute("style").value_or(""));
  std::erase_if(style, is_space);
  return style.find("display:none") != style.npos || style.find("visibility:hidden") != style.npos;
}

class TextBuilder final : public HtmlVisitor {
 public:
  explicit TextBuilder(bool keep_boilerplate) : keep_boilerplate_(keep_boilerplate) {}

  bool enter(const HtmlElement& element) override;
  void leave(std::string_view name) override;
  void text(std::string_view words) override;

  std::string take_text() {
    if (!out_.empty()) out_.push_back('\n');
    return std::move(out_);
  }
  std::string title() const { return collapsed(title_.empty() ? first_heading_ : title_); }

 private:
  struct Cell {
    std::size_t start, end;
  };
  struct Table {
    std::size_t start = 0;
    bool layout = false;  // holds more than lines of text: its cells are read one by one
    std::vector<std::vector<Cell>> rows;
  };
  struct List {
    bool numbered = false;
    std::size_t items = 0;
  };

  static std::string collapsed(std::string_view words) {
    std::string out;
    for (const char c : words) {
      if (is_space(c) && (out.empty() || out.back() == ' ')) continue;
      out.push_back(is_space(c) ? ' ' : c);
    }
    out.resize(floor_border(out, kTitleBytesMax));
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
  }

  void line_break(int lines) {
    if (heading_level_ > 0) {
      blank_ = true;
    } else {
      breaks_ = std::max(breaks_, lines);
    }
  }
  void put(std::string_view piece);
  void start_line();
  void mark_layout() {
    for (Table& table : tables_) table.layout = true;
  }
  void start_item();
  void end_pre();
  void end_table();

  bool keep_boilerplate_;
  std::string out_;
  std::string title_, first_heading_;
  bool in_title_ = false;
  int breaks_ = 0;      // line breaks due before the next text
  bool blank_ = false;  // a blank is due before it
  std::string marker_;  // "- " or "## ", due before it
  int heading_level_ = 0;
  std::size_t heading_start_ = 0;
  std::size_t pre_depth_ = 0;
  std::size_t pre_start_ = 0;
  std::vector<List> lists_;
  std::vector<Table> tables_;
};

bool TextBuilder::enter(const HtmlElement& element) {
  const std::string_view name = element.name();
  if (among(kNoText, name) || is_hidden(element)) return false;
  if (!keep_boilerplate_ && (among(kBoilerplate, name) ||
                             among(kBoilerplateRoles, element.attribute("role").value_or("")))) {
    return false;
  }
  if (name == "title") {
    in_title_ = true;
  } else if (name == "br") {
    pre_depth_ > 0 ? text("\n") : line_break(1);
  } else if (name == "img") {
    if (const auto words = element.attribute("alt"); words && !words->empty()) {
      blank_ = true;
      text(*words);
      blank_ = true;
    }
  } else if (heading_level_ > 0) {
    if (among(kBlocks, name)) blank_ = true;
  } else if (const int level = heading_level(name); level > 0) {
    mark_layout();
    line_break(2);
    heading_level_ = level;
    heading_start_ = out_.size();
    marker_ = std::string(static_cast<std::size_t>(level), '#') + " ";
  } else if (name == "pre") {
    mark_layout();
    line_break(2);
    if (pre_depth_++ == 0) {
      start_line();
      pre_start_ = out_.size();
    }
  } else if (name == "ul" || name == "ol") {
    mark_layout();
    line_break(lists_.empty() ? 2 : 1);
    lists_.push_back({name == "ol", 0});
  } else if (name == "li") {
    start_item();
  } else if (name == "table") {
    mark_layout();
    line_break(2);
    tables_.push_back({out_.size(), false, {}});
  } else if (name == "tr") {
    line_break(2);
    if (!tables_.empty()) tables_.back().rows.emplace_back();
  } else if (name == "td" || name == "th") {
    line_break(2);
    if (!tables_.empty()) {
      auto& rows = tables_.back().rows;
      if (rows.empty()) rows.emplace_back();
      rows.back().push_back({out_.size(), out_.size()});
    }
  } else if (among(kBlocks, name)) {
    line_break(name == "dd" ? 1 : 2);
  }
  return true;
}

void TextBuilder::leave(std::string_view name) {
  if (name == "title") {
    in_title_ = false;
  } else if (heading_level_ > 0 && heading_level(name) == heading_level_) {
    if (heading_level_ == 1 && first_heading_.empty()) {
      std::size_t start = heading_start_;
      while (start < out_.size() && is_space(out_[start])) ++start;
      first_heading_ = heading_text(std::string_view(out_).substr(start), kTitleBytesMax);
    }
    heading_level_ = 0;
    marker_.clear();
    line_break(2);
  } else if (heading_level_ > 0) {
    if (among(kBlocks, name)) blank_ = true;
  } else if (name == "pre" && pre_depth_ > 0) {
    if (--pre_depth_ == 0) end_pre();
  } else if ((name == "ul" || name == "ol") && !lists_.empty()) {
    lists_.pop_back();
    marker_.clear();
    line_break(lists_.empty() ? 2 : 1);
  } else if (name == "li") {
    marker_.clear();
    line_break(1);
  } else if (name == "table" && !tables_.empty()) {
    end_table();
  } else if ((name == "td" || name == "th") && !tables_.empty()) {
    auto& rows = tables_.back().rows;
    if (!rows.empty() && !rows.back().empty()) rows.back().back().end = out_.size();
    line_break(2);
  } else if (among(kBlocks, name)) {
    line_break(name == "dt" ? 1 : 2);
  }
}

void TextBuilder::start_item() {
  mark_layout();
  line_break(1);
  if (lists_.empty()) lists_.push_back({});  // an item outside a list
  List& list = lists_.back();
  ++list.items;
  marker_ = list.numbered ? std::to_string(list.items) + ". " : "- ";
}

void TextBuilder::start_line() {
  if (!out_.empty()) out_.append(static_cast<std::size_t>(breaks_), '\n');
  breaks_ = 0;
  blank_ = false;
  if (heading_level_ == 0 && !lists_.empty()) {
    const std::size_t level = std::min(lists_.size(), kIndentMax);
    out_.append(2 * (marker_.empty() ? level : level - 1), ' ');
  }
  out_ += std::exchange(marker_, {});
}

void TextBuilder::put(std::string_view piece) {
  const bool at_start = out_.empty() || breaks_ > 0 || !marker_.empty();
  if (at_start) {
    const bool marked = !marker_.empty();
    start_line();
    // A paragraph that merely looks like a heading or a fence stays a paragraph.
    if (!marked && (piece[0] == '#' || piece[0] == '`' || piece[0] == '~')) out_.push_back('\\');
  } else if (blank_) {
    out_.push_back(' ');
    blank_ = false;
  }
  out_ += piece;
}

void TextBuilder::text(std::string_view words) {
  if (in_title_) {
    if (title_.size() < 4 * kTitleBytesMax) title_ += words;
    return;
  }
  if (pre_depth_ > 0 && heading_level_ == 0) {
    out_ += words;
    return;
  }
  for (std::size_t at = 0; at < words.size();) {
    if (is_space(words[at])) {
      blank_ = true;
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < words.size() && !is_space(words[end]) &&
           static_cast<unsigned char>(words[end]) < 0x80) {
      ++end;
    }
    if (end == at) {
      const Utf8CodePoint point = decode_utf8(words.substr(at));
      end = at + std::max<std::size_t>(point.size, 1);
      if (point.value == 0xA0) blank_ = true;  // no-break space
      // Soft hyphens and zero-width spaces would tear words apart for the search.
      if (point.value == 0xA0 || point.value == 0xAD || point.value == 0x200B) {
        at = end;
        continue;
      }
    }
    put(words.substr(at, end - at));
    at = end;
  }
}

void TextBuilder::end_pre() {
  const std::string_view code = std::string_view(out_).substr(pre_start_);
  std::size_t end = code.size();
  while (end > 0 && is_space(code[end - 1])) --end;
  std::size_t run = 0;
  std::size_t longest = 2;
  for (const char c : code) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  out_.resize(pre_start_ + end);
  if (end > 0) {
    const std::string fence(longest + 1, '`');
    out_.insert(pre_start_, fence + "\n");
    out_ += "\n" + fence;
  }
  breaks_ = 2;
}

void TextBuilder::end_table() {
  const Table table = std::move(tables_.back());
  tables_.pop_back();
  line_break(2);
  if (table.layout) return;
  std::string lines;
  for (const auto& row : table.rows) {
    if (row.empty()) continue;
    std::string line;
    bool filled = false;
    for (const Cell& cell : row) {
      line += line.empty() ? "| " : " | ";
      bool blank = false;
      const std::size_t first = line.size();
      for (const char c : std::string_view(out_).substr(cell.start, cell.end - cell.start)) {
        if (is_space(c)) {
          blank = line.size() > first;
          continue;
        }
        if (std::exchange(blank, false)) line.push_back(' ');
        if (c == '|') line.push_back('\\');
        line.push_back(c);
        filled = true;
      }
    }
    if (filled) lines += line + " |\n";
  }
  // What came before the first cell, such as the caption, stays.
  std::size_t start = out_.size();
  for (const auto& row : table.rows) {
    if (!row.empty()) start = std::min(start, row.front().start);
  }
  out_.resize(start);
  if (lines.empty()) return;
  lines.pop_back();
  if (!out_.empty()) out_ += "\n\n";
  out_ += lines;
}

Result<Extracted> build(std::string_view html, const ReadOptions& options, bool keep_boilerplate) {
  TextBuilder builder(keep_boilerplate);
  const HtmlLimits limits{options.html_memory_bytes_max, options.html_timeout};
  WEFT_TRY_VOID(walk_html(html, limits, builder));
  std::string title = builder.title();
  return Extracted{builder.take_text(), std::move(title), "html", false};
}

}  // namespace

Result<Extracted> read_html(std::string bytes, const ReadOptions& options) {
  WEFT_TRY(decoded, decode_text(std::move(bytes)));
  WEFT_TRY(document, build(decoded.text, options, false));
  // A page that is all navigation is still a page.
  if (document.text.empty()) return build(decoded.text, options, true);
  return document;
}

}  // namespace weft::retrieval
