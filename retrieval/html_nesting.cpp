// Bounds how deep a page's tags nest before a parser sees it. HTML5's algorithm walks its stack of
// open elements for most tags and re-creates open formatting elements in each paragraph, so that a
// page of n tags can take n^2 steps and nodes.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "retrieval/encoding.h"
#include "retrieval/html_tree.h"

namespace weft::retrieval {
namespace {

constexpr std::size_t kOpenMax = 256;        // elements that nest
constexpr std::size_t kFormattingMax = 32;   // <b>, <font>, ... that are open at once
constexpr std::size_t kAttributesMax = 500;  // of a tag: duplicates are searched pair by pair
constexpr std::size_t kNameBytesMax = 24;

constexpr std::array<std::string_view, 14> kVoid = {"area",  "base",   "br",    "col",  "embed",
                                                    "hr",    "img",    "input", "link", "meta",
                                                    "param", "source", "track", "wbr"};
// These close one another, so that without end tags they don't nest.
constexpr std::array<std::string_view, 20> kSelfClosing = {
    "p",  "li", "dt",    "dd",    "option", "optgroup", "rb",      "rt",   "rp",   "tr",
    "td", "th", "tbody", "thead", "tfoot",  "colgroup", "caption", "html", "head", "body"};
constexpr std::array<std::string_view, 14> kFormatting = {
    "a",    "b", "big",   "code",   "em",     "font", "i",
    "nobr", "s", "small", "strike", "strong", "tt",   "u"};
// Their content is text, whatever it looks like.
constexpr std::array<std::string_view, 9> kRaw = {
    "script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "plaintext"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Flattener {
 public:
  explicit Flattener(std::string_view html) : html_(html) {}

  std::optional<std::string> run() {
    std::size_t at = 0;
    while ((at = html_.find('<', at)) < html_.size()) {
      if (html_.substr(at, 4) == "<!--") {
        at = std::min(html_.find("-->", at + 4), html_.size());
      } else if (at + 2 < html_.size() && html_[at + 1] == '/' && is_letter(html_[at + 2])) {
        close(name_at(at + 2));
        at += 2;
      } else if (at + 1 < html_.size() && is_letter(html_[at + 1])) {
        at = open(at);
      } else {
        ++at;
      }
    }
    if (kept_ == 0) return std::nullopt;
    out_ += html_.substr(kept_);
    return std::move(out_);
  }

 private:
  std::string name_at(std::size_t at) const {
    std::string name;
    while (at < html_.size() && !is_space(html_[at]) && html_[at] != '>' && html_[at] != '/' &&
           name.size() < kNameBytesMax) {
      name.push_back(lower(html_[at++]));
    }
    return name;
  }

  void close(const std::string& name) {
    auto& stack = among(kFormatting, name) ? formatting_ : open_;
    // Only the nearest of that name: what a parser leaves open inside stays counted.
    for (std::size_t i = stack.size(); i-- > 0;) {
      if (stack[i] != name) continue;
      if (is_foreign(name)) --foreign_;
      stack.erase(stack.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }

  // Inside these HTML's rules of what closes what don't hold.
  static bool is_foreign(std::string_view name) { return name == "svg" || name == "math"; }

  struct Tag {
    std::size_t end = 0;  // behind its '>'
    std::size_t attributes = 0;
    bool slash = false;  // "<x/>"
  };
  Tag tag_at(std::size_t at) const {
    Tag tag;
    char quote = 0;
    for (; at < html_.size(); ++at) {
      const char c = html_[at];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if ((c == '"' || c == '\'') && html_[at - 1] == '=') {
        quote = c;
      } else if (c == '>') {
        tag.slash = html_[at - 1] == '/';
        ++at;
        break;
      } else if (c == '/' || is_space(c)) {
        ++tag.attributes;
      }
    }
    tag.end = at;
    return tag;
  }

  std::size_t open(std::size_t at) {
    const std::string name = name_at(at + 1);
    const Tag tag = tag_at(at + 1);
    if (among(kRaw, name)) return end_of_raw(name, tag.end);
    const bool foreign = foreign_ > 0;
    bool drop = tag.attributes > kAttributesMax;
    const bool nests = foreign ? !tag.slash : !among(kVoid, name) && !among(kSelfClosing, name);
    if (nests && !drop) {
      const bool formats = among(kFormatting, name);
      auto& stack = formats ? formatting_ : open_;
      drop = stack.size() >= (formats ? kFormattingMax : kOpenMax);
      if (!drop) {
        stack.push_back(name);
        if (is_foreign(name)) ++foreign_;
      }
    }
    if (drop) {
      // A blank in its place, so that the words around it stay apart.
      out_.append(html_.substr(kept_, at - kept_)).push_back(' ');
      kept_ = tag.end;
    }
    return tag.end;
  }

  std::size_t end_of_raw(const std::string& name, std::size_t at) const {
    while ((at = html_.find("</", at)) < html_.size()) {
      if (name_at(at + 2) == name) return at;
      at += 2;
    }
    return html_.size();
  }

  std::string_view html_;
  std::vector<std::string> open_, formatting_;
  std::size_t foreign_ = 0;  // of open_
  std::string out_;
  std::size_t kept_ = 0;  // all before it was copied to out_ or dropped
};

}  // namespace

std::optional<std::string> with_bounded_nesting(std::string_view html) {
  return Flattener(html).run();
}

}  // namespace weft::retrieval
