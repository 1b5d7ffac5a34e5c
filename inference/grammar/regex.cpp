#include "inference/grammar/regex.h"

#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"

namespace weft::inference::grammar {
namespace {

CodePointSet one(char32_t value) { return CodePointSet::of(value, value); }

CodePointSet line_ends() { return CodePointSet::of("\n\r").add(CodePointSet::of(0x2028, 0x2029)); }

CodePointSet digits() { return CodePointSet::of('0', '9'); }

CodePointSet word_characters() {
  return digits().add(CodePointSet::of('a', 'z')).add(CodePointSet::of('A', 'Z')).add(one('_'));
}

/// ECMA-262's WhiteSpace and LineTerminator.
CodePointSet white_space() {
  return CodePointSet::of("\t\v\f ")
      .add(line_ends())
      .add(one(0xA0))
      .add(one(0x1680))
      .add(CodePointSet::of(0x2000, 0x200A))
      .add(one(0x202F))
      .add(one(0x205F))
      .add(one(0x3000))
      .add(one(0xFEFF));
}

class Parser {
 public:
  Parser(Grammar& grammar, std::string_view text, const RegexOptions& options)
      : grammar_(grammar), text_(text), options_(options) {}

  Result<NodeId> parse() {
    if (text_.size() > options_.limits.text_bytes) return wrong("the expression is too long");
    if (!is_valid_utf8(text_)) return wrong("the expression isn't UTF-8");
    std::vector<NodeId> alternatives;
    do {
      WEFT_TRY(alternative, outermost());
      alternatives.push_back(alternative);
    } while (take('|'));
    if (at_ < text_.size()) return wrong("a ')' closes nothing");
    return grammar_.choice(std::move(alternatives));
  }

 private:
  Error wrong(const std::string& what) const {
    return {ErrorCode::kInvalidArgument,
            "regular expression, at byte " + std::to_string(at_) + ": " + what};
  }
  Error unsupported(const std::string& what) const {
    return {ErrorCode::kUnsupported, "regular expression, at byte " + std::to_string(at_) + ": " +
                                         what + " isn't supported here"};
  }

  bool take(char letter) {
    if (at_ == text_.size() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  NodeId write(const CodePointSet& set) {
    return options_.writing ? options_.writing(grammar_, set) : grammar_.code_points(set);
  }

  NodeId anything() {
    if (!anything_) anything_ = grammar_.repeat(write(CodePointSet::all()), 0, kUnbounded);
    return *anything_;
  }

  /// An alternative that is in no group: the place of anchors.
  Result<NodeId> outermost() {
    std::vector<NodeId> parts;
    if (!take('^') && options_.is_search) parts.push_back(anything());
    WEFT_TRY(body, sequence());
    parts.push_back(body);
    if (take('$')) {
      if (at_ < text_.size() && text_[at_] != '|') return unsupported("'$' before the end");
    } else if (options_.is_search) {
      parts.push_back(anything());
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> alternatives() {
    std::vector<NodeId> list;
    do {
      WEFT_TRY(each, sequence());
      list.push_back(each);
    } while (take('|'));
    return grammar_.choice(std::move(list));
  }

  Result<NodeId> sequence() {
    std::vector<NodeId> parts;
    while (at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      if (text_[at_] == '$' && depth_ == 0) break;
      WEFT_TRY(part, quantified());
      parts.push_back(part);
      if (grammar_.nodes().size() > options_.limits.nodes)
        return wrong("the expression is too large");
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> quantified() {
    WEFT_TRY(body, atom());
    std::uint32_t min = 0;
    std::uint32_t max = kUnbounded;
    if (take('?')) {
      max = 1;
    } else if (take('+')) {
      min = 1;
    } else if (take('{')) {
      WEFT_TRY_VOID(bounds(min, max));
    } else if (!take('*')) {
      return body;
    }
    take('?');  // which match is preferred makes no difference to what matches
    if (at_ < text_.size() && std::string_view("*+?{").find(text_[at_]) != std::string_view::npos) {
      return wrong("a quantifier stands behind another");
    }
    return grammar_.repeat(body, min, max);
  }

  Result<void> bounds(std::uint32_t& min, std::uint32_t& max) {
    WEFT_TRY(first, number());
    min = first;
    max = first;
    if (take(',')) {
      max = kUnbounded;
      if (at_ < text_.size() && text_[at_] != '}') {
        WEFT_TRY(last, number());
        max = last;
      }
    }
    if (!take('}')) return wrong("a repetition is {n}, {n,} or {n,m}; write \\{ for the character");
    if (min > max) return wrong("a repetition's bounds are out of order");
    return {};
  }

  Result<std::uint32_t> number() {
    std::uint32_t value = 0;
    const std::size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value = value * 10 + static_cast<std::uint32_t>(text_[at_] - '0');
      if (value > options_.limits.repeats) return wrong("a repetition counts too far");
    }
    if (begin == at_) return wrong("a number is needed in {}; write \\{ for the character");
    return value;
  }

  Result<NodeId> atom() {
    switch (text_[at_]) {
      case '(':
        return group();
      case '[': {
        ++at_;
        WEFT_TRY(set, character_class());
        return write(set);
      }
      case '.':
        ++at_;
        return write(line_ends().complement());
      case '\\': {
        ++at_;
        WEFT_TRY(set, escape(false));
        return write(set);
      }
      case '^':
      case '$':
        return unsupported("an anchor within the expression");
      case '*':
      case '+':
      case '?':
      case '{':
        return wrong("a quantifier has nothing before it; write a \\ before the character");
      default:
        return write(one(code_point()));
    }
  }

  Result<NodeId> group() {
    if (depth_ >= options_.limits.nesting) return wrong("groups nest too deeply");
    ++at_;
    if (text_.substr(at_).starts_with("?=") || text_.substr(at_).starts_with("?!") ||
        text_.substr(at_).starts_with("?<=") || text_.substr(at_).starts_with("?<!")) {
      return unsupported("look-around");
    }
    if (take("?<")) {
      const std::size_t end = text_.find('>', at_);
      if (end == std::string_view::npos) return wrong("a group's name doesn't end");
      at_ = end + 1;
    } else if (!take("?:") && take('?')) {
      return unsupported("this kind of group");
    }
    ++depth_;
    WEFT_TRY(body, alternatives());
    --depth_;
    if (!take(')')) return wrong("a '(' isn't closed");
    return body;
  }

  char32_t code_point() {
    const Utf8CodePoint decoded = decode_utf8(text_.substr(at_));
    at_ += decoded.size;
    return decoded.value;
  }

  Result<CodePointSet> character_class() {
    const bool negated = take('^');
    CodePointSet set;
    while (!take(']')) {
      if (at_ == text_.size()) return wrong("a '[' isn't closed");
      WEFT_TRY(first, class_member());
      set.add(first);
      if (at_ + 1 >= text_.size() || text_[at_] != '-' || text_[at_ + 1] == ']') continue;
      ++at_;
      WEFT_TRY(last, class_member());
      const auto single = [](const CodePointSet& each) {
        return each.ranges().size() == 1 && each.ranges()[0].first == each.ranges()[0].last;
      };
      if (!single(first) || !single(last))
        return wrong("a range has no single character at its end");
      const char32_t from = first.ranges()[0].first;
      const char32_t to = last.ranges()[0].first;
      if (from > to) return wrong("a range's ends are out of order");
      set.add(CodePointSet::of(from, to));
    }
    return negated ? set.complement() : set;
  }

  Result<CodePointSet> class_member() {
    if (at_ == text_.size()) return wrong("a '[' isn't closed");
    if (!take('\\')) return one(code_point());
    return escape(true);
  }

  /// What stands behind a backslash.
  Result<CodePointSet> escape(bool in_class) {
    if (at_ == text_.size()) return wrong("a '\\' ends the expression");
    const char letter = text_[at_];
    switch (letter) {
      case 'd':
        return ++at_, digits();
      case 'D':
        return ++at_, digits().complement();
      case 'w':
        return ++at_, word_characters();
      case 'W':
        return ++at_, word_characters().complement();
      case 's':
        return ++at_, white_space();
      case 'S':
        return ++at_, white_space().complement();
      case 't':
        return ++at_, one('\t');
      case 'n':
        return ++at_, one('\n');
      case 'v':
        return ++at_, one('\v');
      case 'f':
        return ++at_, one('\f');
      case 'r':
        return ++at_, one('\r');
      case '0':
        return ++at_, one(0);
      case 'x':
        ++at_;
        return hexadecimal(2);
      case 'u':
        ++at_;
        return unicode_escape();
      case 'b':
        if (in_class) return ++at_, one('\b');
        return unsupported("a word boundary");
      case 'B':
        return unsupported("a word boundary");
      case 'p':
      case 'P':
        return unsupported("\\p");
      default:
        break;
    }
    if (letter >= '1' && letter <= '9') return unsupported("a back reference");
    if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
      return unsupported(std::string("\\") + letter);
    }
    return one(code_point());
  }

  Result<CodePointSet> unicode_escape() {
    if (!take('{')) {
      WEFT_TRY(value, hexadecimal_value(4));
      if (value < 0xD800 || value > 0xDFFF) return one(value);
      if (value > 0xDBFF || !take("\\u")) return wrong("half of a surrogate pair");
      WEFT_TRY(low, hexadecimal_value(4));
      if (low < 0xDC00 || low > 0xDFFF) return wrong("half of a surrogate pair");
      return one(0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00));
    }
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos || end == at_ || end - at_ > 6) {
      return wrong("\\u{...} needs 1 to 6 hexadecimal digits");
    }
    WEFT_TRY(value, hexadecimal_value(end - at_));
    ++at_;
    if (value > kCodePointMax || (value >= 0xD800 && value <= 0xDFFF)) {
      return wrong("\\u{...} is no character");
    }
    return one(value);
  }

  Result<CodePointSet> hexadecimal(std::size_t digits) {
    WEFT_TRY(value, hexadecimal_value(digits));
    return one(value);
  }

  Result<char32_t> hexadecimal_value(std::size_t digits) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      const char letter = at_ < text_.size() ? text_[at_] : '\0';
      const std::string_view all = "0123456789abcdef";
      const std::size_t digit = all.find(static_cast<char>(letter | 0x20));
      if (letter == '\0' || digit == std::string_view::npos || (digit < 10 && letter > '9') ||
          (digit < 10 && letter < '0')) {
        return wrong("a hexadecimal digit is needed");
      }
      value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
  }

  Grammar& grammar_;
  std::string_view text_;
  const RegexOptions& options_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::optional<NodeId> anything_;
};

}  // namespace

Result<NodeId> add_regex(Grammar& grammar, std::string_view expression,
                         const RegexOptions& options) {
  return Parser(grammar, expression, options).parse();
}

Result<Grammar> regex_grammar(std::string_view expression, const GrammarLimits& limits) {
  Grammar grammar;
  grammar.root = grammar.add_rule("expression");
  WEFT_TRY(body, add_regex(grammar, expression, {.limits = limits}));
  grammar.define(grammar.root, body);
  return grammar;
}

}  // namespace weft::inference::grammar
