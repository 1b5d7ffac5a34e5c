#include "inference/grammar/ebnf.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/utf8.h"

namespace weft::inference::grammar {
namespace {

bool is_name(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
}

class Parser {
 public:
  Parser(std::string_view text, const GrammarLimits& limits) : text_(text), limits_(limits) {}

  Result<Grammar> parse() {
    if (text_.size() > limits_.text_bytes) return wrong("the grammar is too long");
    if (!is_valid_utf8(text_)) return wrong("the grammar isn't UTF-8");
    skip(true);
    while (at_ < text_.size()) {
      WEFT_TRY(rule, name());
      skip(true);
      if (!take("::=")) return wrong("'::=' is needed after a rule's name");
      if (grammar_.rules()[rule].body) {
        return wrong("rule '" + grammar_.rules()[rule].name + "' is defined twice");
      }
      skip(true);
      WEFT_TRY(body, alternatives(false));
      grammar_.define(rule, body);
      skip(false);
      if (at_ < text_.size() && text_[at_] != '\n')
        return wrong("this can't be read as a part of a rule");
      skip(true);
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) return wrong("there is no rule named root, which the answer follows");
    grammar_.root = root->second;
    for (const Rule& rule : grammar_.rules()) {
      if (!rule.body) return wrong("rule '" + rule.name + "' is used, but not defined");
    }
    return std::move(grammar_);
  }

 private:
  Error wrong(const std::string& what) const {
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    return {ErrorCode::kInvalidArgument, "grammar, line " + std::to_string(line) + ": " + what};
  }

  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  /// Goes to the next thing to read, over ends of lines only if `lines`.
  void skip(bool lines) {
    while (at_ < text_.size()) {
      const char letter = text_[at_];
      if (letter == '#' && !text_.substr(at_).starts_with("#x")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (letter == ' ' || letter == '\t' || letter == '\r' || (lines && letter == '\n')) {
        ++at_;
      } else {
        return;
      }
    }
  }

  Result<RuleId> name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (begin == at_) return wrong("a rule's name is needed: letters, digits, '-' and '_'");
    std::string word(text_.substr(begin, at_ - begin));
    const auto [found, is_new] = rules_.try_emplace(word);
    if (is_new) found->second = grammar_.add_rule(std::move(word));
    return found->second;
  }

  Result<NodeId> alternatives(bool in_group) {
    std::vector<NodeId> list;
    for (;;) {
      WEFT_TRY(each, sequence(in_group));
      list.push_back(each);
      skip(in_group);
      if (!take("|")) return grammar_.choice(std::move(list));
      skip(true);
    }
  }

  Result<NodeId> sequence(bool in_group) {
    std::vector<NodeId> parts;
    for (skip(in_group); at_ < text_.size(); skip(in_group)) {
      const char letter = text_[at_];
      if (letter == '|' || letter == ')' || letter == '\n') break;
      WEFT_TRY(part, quantified(in_group));
      parts.push_back(part);
      if (grammar_.nodes().size() > limits_.nodes) return wrong("the grammar is too large");
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> quantified(bool in_group) {
    WEFT_TRY(body, part());
    for (;;) {
      skip(in_group);
      if (take("*")) {
        body = grammar_.repeat(body, 0, kUnbounded);
      } else if (take("+")) {
        body = grammar_.repeat(body, 1, kUnbounded);
      } else if (take("?")) {
        body = grammar_.repeat(body, 0, 1);
      } else if (take("{")) {
        WEFT_TRY(bounded, bounds(body));
        body = bounded;
      } else {
        return body;
      }
      if (grammar_.nodes().size() > limits_.nodes) return wrong("the grammar is too large");
    }
  }

  Result<NodeId> bounds(NodeId body) {
    skip(true);
    std::uint32_t min = 0;
    if (at_ < text_.size() && text_[at_] != ',') {
      WEFT_TRY(first, number());
      min = first;
    }
    std::uint32_t max = min;
    skip(true);
    if (take(",")) {
      max = kUnbounded;
      skip(true);
      if (at_ < text_.size() && text_[at_] != '}') {
        WEFT_TRY(last, number());
        max = last;
      }
    }
    skip(true);
    if (!take("}")) return wrong("a repetition is {n}, {n,}, {n,m} or {,m}");
    if (min > max) return wrong("a repetition's bounds are out of order");
    return grammar_.repeat(body, min, max);
  }

  Result<std::uint32_t> number() {
    std::uint32_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value = value * 10 + static_cast<std::uint32_t>(text_[at_] - '0');
      if (value > limits_.repeats) return wrong("a repetition counts too far");
    }
    if (begin == at_) return wrong("a number is needed in {}");
    return value;
  }

  Result<NodeId> part() {
    const char letter = text_[at_];
    if (letter == '"' || letter == '\'') return quoted(letter);
    if (letter == '[') {
      ++at_;
      return character_class();
    }
    if (letter == '.') {
      ++at_;
      return grammar_.code_points(CodePointSet::all());
    }
    if (take("#x")) {
      WEFT_TRY(value, hexadecimal(1, 6));
      return grammar_.code_points(CodePointSet::of(value, value));
    }
    if (letter == '(') {
      if (depth_ >= limits_.nesting) return wrong("groups nest too deeply");
      ++at_;
      ++depth_;
      WEFT_TRY(body, alternatives(true));
      --depth_;
      if (!take(")")) return wrong("a '(' isn't closed");
      return body;
    }
    WEFT_TRY(rule, name());
    const std::size_t end = at_;
    skip(true);
    if (take("::=")) {
      at_ = end;
      return wrong("a rule begins on a line of its own");
    }
    at_ = end;
    return grammar_.call(rule);
  }

  Result<NodeId> quoted(char quote) {
    ++at_;
    std::string bytes;
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
      WEFT_TRY(value, character());
      append_utf8(bytes, value);
    }
    if (at_ == text_.size() || text_[at_] != quote) return wrong("a quoted text isn't closed");
    ++at_;
    return grammar_.text(bytes);
  }

  Result<NodeId> character_class() {
    const bool negated = take("^");
    CodePointSet set;
    while (!take("]")) {
      if (at_ == text_.size() || text_[at_] == '\n') return wrong("a '[' isn't closed");
      WEFT_TRY(first, character());
      char32_t last = first;
      if (text_.substr(at_).starts_with("-") && !text_.substr(at_).starts_with("-]")) {
        ++at_;
        if (at_ == text_.size() || text_[at_] == '\n') return wrong("a '[' isn't closed");
        WEFT_TRY(end, character());
        last = end;
      }
      if (first > last) return wrong("a range's ends are out of order");
      set.add(CodePointSet::of(first, last));
    }
    return grammar_.code_points(negated ? set.complement() : set);
  }

  /// A character of a quoted text or a class, or an escape.
  Result<char32_t> character() {
    if (!take("\\")) {
      const Utf8CodePoint decoded = decode_utf8(text_.substr(at_));
      at_ += decoded.size;
      return decoded.value;
    }
    const char letter = at_ < text_.size() ? text_[at_] : '\0';
    ++at_;
    switch (letter) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'x':
        return hexadecimal(2, 2);
      case 'u':
        return hexadecimal(4, 4);
      case 'U':
        return hexadecimal(8, 8);
      case '\\':
      case '"':
      case '\'':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<char32_t>(letter);
      default:
        --at_;
        return wrong(
            "this escape isn't known: \\n \\r \\t \\\\ \\\" \\' \\[ \\] \\- \\^ \\xHH \\uHHHH "
            "\\UHHHHHHHH are");
    }
  }

  Result<char32_t> hexadecimal(std::size_t digits_min, std::size_t digits_max) {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < digits_max && at_ < text_.size(); ++digits, ++at_) {
      const char letter = text_[at_];
      if (letter >= '0' && letter <= '9') {
        value = value * 16 + static_cast<std::uint64_t>(letter - '0');
      } else if ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'f') {
        value = value * 16 + static_cast<std::uint64_t>((letter | 0x20) - 'a' + 10);
      } else {
        break;
      }
    }
    if (digits < digits_min) return wrong("hexadecimal digits are needed");
    if (value > kCodePointMax || (value >= 0xD800 && value <= 0xDFFF)) {
      return wrong("the number is no character's");
    }
    return static_cast<char32_t>(value);
  }

  std::string_view text_;
  const GrammarLimits& limits_;
  Grammar grammar_;
  std::map<std::string, RuleId, std::less<>> rules_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

Result<Grammar> ebnf_grammar(std::string_view text, const GrammarLimits& limits) {
  return Parser(text, limits).parse();
}

}  // namespace weft::inference::grammar
