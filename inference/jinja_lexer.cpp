#include "inference/jinja_lexer.h"

#include <algorithm>

#include "inference/jinja_text.h"

namespace weft::inference::jinja {

Error located(Position at, Error error) {
  return std::move(error).with_context("chat template, line " + std::to_string(at.line) +
                                       ", column " + std::to_string(at.column));
}

Error syntax_error(Position at, std::string message) {
  return located(at, Error{ErrorCode::kInvalidArgument, std::move(message)});
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

// "\r\n" and "\r" become "\n"; one newline at the end goes.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) WEFT_TRY_VOID(outside());
    add(TokenType::kEnd, {});
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return source_.substr(at_); }
  bool looking_at(std::string_view text) const { return rest().starts_with(text); }

  // Counts lines as it goes; `at_` only grows.
  Position position() {
    for (; counted_ < at_; ++counted_) {
      if (source_[counted_] == '\n') {
        ++line_;
        line_start_ = counted_ + 1;
      }
    }
    return {line_, static_cast<std::uint32_t>(at_ - line_start_ + 1)};
  }

  void add(TokenType type, std::string text) {
    tokens_.push_back({type, std::move(text), position()});
  }

  void skip_space() {
    while (at_ < source_.size()) {
      const CodePoint c = code_point_at(source_, at_);
      if (!is_space(c.value)) return;
      at_ += c.size;
    }
  }

  // Text up to the next tag, and the tag.
  Result<void> outside() {
    std::size_t tag = at_;
    while (tag < source_.size() &&
           !(source_[tag] == '{' && tag + 1 < source_.size() &&
             (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#'))) {
      ++tag;
    }
    std::string_view text = source_.substr(at_, tag - at_);
    const bool found = tag < source_.size();
    const char sign = found && tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (found) text = without_indent(text, sign, source_[tag + 1] != '{');
    if (!text.empty()) add(TokenType::kText, std::string(text));
    at_ = tag;
    if (!found) return {};
    const char kind = source_[tag + 1];
    const Position opened = position();
    const bool signed_tag = sign == '-' || sign == '+';
    if (kind == '#') {
      at_ += signed_tag ? 3 : 2;
      return comment(opened);
    }
    if (kind == '%' && is_raw()) return raw(opened);
    add(kind == '{' ? TokenType::kPrintBegin : TokenType::kBlockBegin, {});
    at_ += signed_tag ? 3 : 2;
    return inside(kind == '{', opened);
  }

  std::string_view without_indent(std::string_view text, char sign, bool strips_indent) const {
    if (sign == '-') return text.substr(0, trim(text, Ends::kRight).end);
    if (sign == '+' || !strips_indent) return text;
    const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is 0
    if (line == 0 && !line_starting_) return text;
    return trim(text.substr(line), Ends::kBoth).end == trim(text.substr(line), Ends::kBoth).begin
               ? text.substr(0, line)
               : text;
  }

  // The end of a block or comment: swallows what its sign says.
  void finish_tag(bool minus, bool plus, std::size_t size) {
    at_ += size;
    if (minus) {
      skip_space();
    } else if (!plus && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    line_starting_ = source_[at_ - 1] == '\n';
  }

  Result<void> comment(Position opened) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) return syntax_error(opened, "comment '{#' has no '#}'");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    at_ = end;
    finish_tag(sign == '-', sign == '+', 2);
    return {};
  }

  // Matches "{% WORD %}" with signs at `at`; its size or 0.
  std::size_t word_tag(std::size_t at, std::string_view word) const {
    std::size_t i = at + 2;
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    const auto skip = [&] {
      while (i < source_.size() && is_space(static_cast<unsigned char>(source_[i]))) ++i;
    };
    skip();
    if (!source_.substr(i).starts_with(word)) return 0;
    i += word.size();
    skip();
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    return source_.substr(i).starts_with("%}") ? i + 2 - at : 0;
  }

  bool is_raw() const { return word_tag(at_, "raw") > 0; }

  Result<void> raw(Position opened) {
    at_ += word_tag(at_, "raw");
    // Unlike other tags, the opening one keeps the newline after it.
    if (source_[at_ - 3] == '-') skip_space();
    const std::size_t begin = at_;
    for (std::size_t end = source_.find("{%", at_); end != std::string_view::npos;
         end = source_.find("{%", end + 2)) {
      const std::size_t size = word_tag(end, "endraw");
      if (size == 0) continue;
      line_starting_ = false;
      const std::string_view text = source_.substr(begin, end - begin);
      add(TokenType::kText, std::string(without_indent(text, source_[end + 2], true)));
      at_ = end;
      const char sign = source_[end + size - 3];
      finish_tag(sign == '-', sign == '+', size);
      return {};
    }
    return syntax_error(opened, "'{% raw %}' has no '{% endraw %}'");
  }

  // The tokens between "{{" and "}}", or "{%" and "%}".
  Result<void> inside(bool print, Position opened) {
    const std::string_view end = print ? "}}" : "%}";
    std::string open;  // brackets not closed yet
    for (;;) {
      skip_space();
      if (at_ >= source_.size()) {
        return syntax_error(opened, print ? "'{{' has no '}}'" : "'{%' has no '%}'");
      }
      const char c = source_[at_];
      if (open.empty()) {
        const bool minus = c == '-' && rest().substr(1).starts_with(end);
        const bool plus = !print && c == '+' && rest().substr(1).starts_with(end);
        if (minus || plus || looking_at(end)) {
          add(print ? TokenType::kPrintEnd : TokenType::kBlockEnd, {});
          finish_tag(minus, plus || print, minus || plus ? 3 : 2);
          return {};
        }
      }
      if (is_name_start(c)) {
        name();
      } else if (is_digit(c)) {
        WEFT_TRY_VOID(number());
      } else if (c == '\'' || c == '"') {
        WEFT_TRY_VOID(string());
      } else {
        WEFT_TRY_VOID(symbol(open));
      }
    }
  }

  void name() {
    std::size_t size = 1;
    while (at_ + size < source_.size() && is_name_part(source_[at_ + size])) ++size;
    add(TokenType::kName, std::string(rest().substr(0, size)));
    at_ += size;
  }

  Result<void> number() {
    std::size_t i = at_;
    std::string digits;
    const auto take_digits = [&] {
      for (; i < source_.size() && (is_digit(source_[i]) || source_[i] == '_'); ++i) {
        if (source_[i] != '_') digits += source_[i];
      }
    };
    take_digits();
    bool is_float = false;
    // "x.0.y" and "1.method": only a digit after the dot makes a fraction.
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (!after_dot && i + 1 < source_.size() && source_[i] == '.' && is_digit(source_[i + 1])) {
      is_float = true;
      digits += source_[i++];
      take_digits();
    }
    if (!after_dot && i < source_.size() && (source_[i] == 'e' || source_[i] == 'E')) {
      const bool has_sign =
          i + 1 < source_.size() && (source_[i + 1] == '+' || source_[i + 1] == '-');
      const std::size_t first = i + (has_sign ? 2 : 1);
      if (first < source_.size() && is_digit(source_[first])) {
        is_float = true;
        digits += source_.substr(i, first - i);
        i = first;
        take_digits();
      }
    }
    if (i < source_.size() && is_name_start(source_[i])) {
      return syntax_error(position(), "a number runs into a name; only decimal numbers are read");
    }
    add(is_float ? TokenType::kFloat : TokenType::kInteger, digits);
    at_ = i;
    return {};
  }

  Result<void> string() {
    const char quote = source_[at_];
    const Position opened = position();
    std::string text;
    std::size_t i = at_ + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] != '\\') {
        text += source_[i++];
      } else if (i + 1 < source_.size()) {
        WEFT_TRY(next, escape(i + 1, text));
        i = next;
      } else {
        break;
      }
    }
    if (i >= source_.size() || source_[i] != quote) {
      return syntax_error(opened, "a string is not closed");
    }
    add(TokenType::kString, std::move(text));
    at_ = i + 1;
    return {};
  }

  // Decodes the escape whose letter stands at `i`; returns the place after it.
  Result<std::size_t> escape(std::size_t i, std::string& text) {
    constexpr std::string_view kLetters = "\\'\"nrtabfv";
    constexpr std::string_view kMeanings = "\\'\"\n\r\t\a\b\f\v";
    const char c = source_[i];
    if (const std::size_t known = kLetters.find(c); known != std::string_view::npos) {
      text += kMeanings[known];
      return i + 1;
    }
    if (c == '\n') return i + 1;
    const bool octal = c >= '0' && c <= '7';
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (!octal && digits == 0) {  // as Python: an unknown escape stays
      text += '\\';
      return i;
    }
    const std::string_view allowed = octal ? "01234567" : "0123456789abcdefABCDEF";
    const std::size_t begin = octal ? i : i + 1;
    std::size_t end = begin;
    while (end < source_.size() && end - begin < (octal ? 3 : digits) &&
           allowed.find(source_[end]) != std::string_view::npos) {
      ++end;
    }
    if (!octal && end - begin != digits) {
      return syntax_error(position(), std::string("escape '\\") + c + "' lacks digits");
    }
    const auto value = static_cast<std::uint32_t>(
        std::stoul(std::string(source_.substr(begin, end - begin)), nullptr, octal ? 8 : 16));
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      return syntax_error(position(), "an escape names no Unicode character");
    }
    append_utf8(text, value);
    return end;
  }

  Result<void> symbol(std::string& open) {
    constexpr std::string_view kPairs[] = {"**", "//", "==", "!=", ">=", "<="};
    for (const std::string_view pair : kPairs) {
      if (looking_at(pair)) {
        add(TokenType::kOperator, std::string(pair));
        at_ += 2;
        return {};
      }
    }
    const char c = source_[at_];
    if (std::string_view("+-*/%~()[]{}.,:|=<>").find(c) == std::string_view::npos) {
      return syntax_error(position(), std::string("unexpected character '") + c + "'");
    }
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) {
        return syntax_error(position(), std::string("unexpected '") + c + "'");
      }
      open.pop_back();
    }
    add(TokenType::kOperator, std::string(1, c));
    ++at_;
    return {};
  }

  std::string_view source_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
  bool line_starting_ = true;  // nothing but this line's indent precedes
  std::size_t counted_ = 0;
  std::size_t line_start_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    return Error{ErrorCode::kResourceExhausted, "chat template: " + std::to_string(source.size()) +
                                                    " bytes of source; the limit is " +
                                                    std::to_string(kSourceBytesMax)};
  }
  const std::string text = normalized(source);
  return Lexer(text).run();
}

}  // namespace weft::inference::jinja
