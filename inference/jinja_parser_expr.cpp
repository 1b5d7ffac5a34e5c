#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "inference/jinja_parser.h"

namespace weft::inference::jinja {

// One expression, or several with commas: a tuple.
Result<Expr*> Parser::tuple(bool with_conditional, std::string_view construct) {
  const Position at = token().at;
  Expr* made = nullptr;
  Expr* single = nullptr;
  for (;;) {
    const bool end = token().type == TokenType::kPrintEnd || token().type == TokenType::kBlockEnd ||
                     is_operator(")") || is_word("recursive");
    if (end) break;
    WEFT_TRY(item, with_conditional ? full() : or_());
    single = item;
    if (made != nullptr) made->items.push_back(item);
    if (!skip_operator(",")) break;
    if (made == nullptr) {
      made = expression(Expr::Kind::kTuple, at);
      made->items.push_back(single);
    }
  }
  if (made != nullptr) return made;
  if (single == nullptr)
    return unexpected(std::string("an expression in ") + std::string(construct));
  return single;
}

Result<Expr*> Parser::full() {
  WEFT_TRY_VOID(enter());
  WEFT_TRY(value, or_());
  while (is_word("if")) {
    Expr* made = expression(Expr::Kind::kConditional, token().at);
    ++at_;
    WEFT_TRY(condition, or_());
    Expr* otherwise = nullptr;
    if (skip_word("else")) {
      WEFT_TRY(parsed, full());
      otherwise = parsed;
    }
    made->items = {condition, value, otherwise};
    value = made;
  }
  leave();
  return value;
}

Result<Expr*> Parser::or_() {
  WEFT_TRY(left, and_());
  while (is_word("or")) {
    Expr* made = expression(Expr::Kind::kOr, token().at, left);
    ++at_;
    WEFT_TRY(right, and_());
    made->items.push_back(right);
    left = made;
  }
  return left;
}

Result<Expr*> Parser::and_() {
  WEFT_TRY(left, not_());
  while (is_word("and")) {
    Expr* made = expression(Expr::Kind::kAnd, token().at, left);
    ++at_;
    WEFT_TRY(right, not_());
    made->items.push_back(right);
    left = made;
  }
  return left;
}

Result<Expr*> Parser::not_() {
  if (!is_word("not")) return compare();
  WEFT_TRY_VOID(enter());
  Expr* made = expression(Expr::Kind::kNot, token().at);
  ++at_;
  WEFT_TRY(operand, not_());
  made->items.push_back(operand);
  leave();
  return made;
}

Result<Expr*> Parser::compare() {
  constexpr std::pair<std::string_view, Op> kOps[] = {
      {"==", Op::kEqual},     {"!=", Op::kNotEqual}, {"<", Op::kLess},
      {"<=", Op::kLessEqual}, {">", Op::kGreater},   {">=", Op::kGreaterEqual}};
  WEFT_TRY(left, sum());
  Expr* made = nullptr;
  for (;;) {
    const Position at = token().at;
    std::optional<Op> op;
    for (const auto& [symbol, meaning] : kOps) {
      if (!op && skip_operator(symbol)) op = meaning;
    }
    if (!op && skip_word("in")) op = Op::kIn;
    if (!op && is_word("not") && ahead().type == TokenType::kName && ahead().text == "in") {
      at_ += 2;
      op = Op::kNotIn;
    }
    if (!op) break;
    if (made == nullptr) made = expression(Expr::Kind::kCompare, at, left);
    WEFT_TRY(right, sum());
    made->ops.push_back(*op);
    made->items.push_back(right);
  }
  return made != nullptr ? made : left;
}

Result<Expr*> Parser::sum() {
  WEFT_TRY(left, concatenation());
  while (is_operator("+") || is_operator("-")) {
    Expr* made = expression(Expr::Kind::kBinary, token().at, left);
    made->op = is_operator("+") ? Op::kAdd : Op::kSubtract;
    ++at_;
    WEFT_TRY(right, concatenation());
    made->items.push_back(right);
    left = made;
  }
  return left;
}

Result<Expr*> Parser::concatenation() {
  WEFT_TRY(left, product());
  while (is_operator("~")) {
    Expr* made = expression(Expr::Kind::kBinary, token().at, left);
    made->op = Op::kConcatenate;
    ++at_;
    WEFT_TRY(right, product());
    made->items.push_back(right);
    left = made;
  }
  return left;
}

Result<Expr*> Parser::product() {
  constexpr std::pair<std::string_view, Op> kOps[] = {
      {"*", Op::kMultiply}, {"/", Op::kDivide}, {"//", Op::kFloorDivide}, {"%", Op::kModulo}};
  WEFT_TRY(left, power());
  for (;;) {
    const auto* const op = std::ranges::find_if(
        kOps, [&](const auto& candidate) { return is_operator(candidate.first); });
    if (op == std::end(kOps)) return left;
    Expr* made = expression(Expr::Kind::kBinary, token().at, left);
    made->op = op->second;
    ++at_;
    WEFT_TRY(right, power());
    made->items.push_back(right);
    left = made;
  }
}

Result<Expr*> Parser::power() {
  WEFT_TRY(left, unary(true));
  while (is_operator("**")) {
    Expr* made = expression(Expr::Kind::kBinary, token().at, left);
    made->op = Op::kPower;
    ++at_;
    WEFT_TRY(right, unary(true));
    made->items.push_back(right);
    left = made;
  }
  return left;
}

Result<Expr*> Parser::unary(bool with_filter) {
  Expr* made = nullptr;
  if (is_operator("-") || is_operator("+")) {
    WEFT_TRY_VOID(enter());
    made = expression(is_operator("-") ? Expr::Kind::kNegate : Expr::Kind::kPlus, token().at);
    ++at_;
    WEFT_TRY(operand, unary(false));
    made->items.push_back(operand);
    leave();
  } else {
    WEFT_TRY(operand, primary());
    made = operand;
  }
  WEFT_TRY(value, postfix(made));
  if (!with_filter) return value;
  return filters(value);
}

Result<Expr*> Parser::number() {
  const Token& found = token();
  Expr* made = expression(Expr::Kind::kLiteral, found.at);
  const char* begin = found.text.data();
  const char* end = begin + found.text.size();
  if (found.type == TokenType::kInteger) {
    std::int64_t integer = 0;
    if (std::from_chars(begin, end, integer).ec != std::errc()) {
      return syntax_error(found.at, "the integer " + found.text.substr(0, 40) + " is too large");
    }
    made->literal = integer;
  } else {
    double real = 0;
    if (std::from_chars(begin, end, real).ec != std::errc()) {
      return syntax_error(found.at, "the number " + found.text.substr(0, 40) + " is too large");
    }
    made->literal = real;
  }
  ++at_;
  return made;
}

Result<Expr*> Parser::primary() {
  const Position at = token().at;
  if (token().type == TokenType::kName) {
    const std::string name = tokens_[at_++].text;
    Expr* made = expression(Expr::Kind::kLiteral, at);
    if (name == "true" || name == "True") {
      made->literal = true;
    } else if (name == "false" || name == "False") {
      made->literal = false;
    } else if (name == "none" || name == "None") {
      made->literal = None{};
    } else {
      made->kind = Expr::Kind::kName;
      made->name = name;
    }
    return made;
  }
  if (token().type == TokenType::kString) {
    std::string text;
    while (token().type == TokenType::kString) text += tokens_[at_++].text;
    Expr* made = expression(Expr::Kind::kLiteral, at);
    made->literal = Value::trusted(std::move(text));
    return made;
  }
  if (token().type == TokenType::kInteger || token().type == TokenType::kFloat) return number();
  if (skip_operator("(")) {
    if (skip_operator(")")) return expression(Expr::Kind::kTuple, at);
    WEFT_TRY(inner, tuple(true, "'( )'"));  // full() counts the nesting
    WEFT_TRY_VOID(expect_operator(")", "'( )'"));
    return inner;
  }
  if (is_operator("[")) return list();
  if (is_operator("{")) return dict();
  return unexpected("an expression");
}

Result<Expr*> Parser::list() {
  Expr* made = expression(Expr::Kind::kList, token().at);
  ++at_;
  while (!is_operator("]")) {
    if (!made->items.empty()) WEFT_TRY_VOID(expect_operator(",", "a list"));
    if (is_operator("]")) break;
    WEFT_TRY(item, full());
    made->items.push_back(item);
  }
  ++at_;
  return made;
}

Result<Expr*> Parser::dict() {
  Expr* made = expression(Expr::Kind::kDict, token().at);
  ++at_;
  while (!is_operator("}")) {
    if (!made->items.empty()) WEFT_TRY_VOID(expect_operator(",", "a dict"));
    if (is_operator("}")) break;
    WEFT_TRY(key, full());
    WEFT_TRY_VOID(expect_operator(":", "a dict"));
    WEFT_TRY(value, full());
    made->items.push_back(key);
    made->items.push_back(value);
  }
  ++at_;
  return made;
}

Result<Expr*> Parser::postfix(Expr* left) {
  for (;;) {
    const Position at = token().at;
    if (skip_operator(".")) {
      WEFT_TRY(made, attribute(left));
      left = made;
    } else if (is_operator("[")) {
      WEFT_TRY(made, subscript(left));
      left = made;
    } else if (is_operator("(")) {
      Expr* made = expression(Expr::Kind::kCall, at, left);
      WEFT_TRY_VOID(arguments(*made, "a call"));
      left = made;
    } else {
      return left;
    }
  }
}

Result<Expr*> Parser::attribute(Expr* left) {
  const Position at = token().at;
  if (token().type == TokenType::kInteger) {
    Expr* made = expression(Expr::Kind::kSubscript, at, left);
    WEFT_TRY(index, number());
    made->items.push_back(index);
    return made;
  }
  WEFT_TRY(name, expect_name("an attribute"));
  // Python's inner attributes, the way out of other sandboxes. Nothing here has one.
  if (name.starts_with("__")) {
    return located(
        at, Error{ErrorCode::kUnsupported, "the attribute '" + std::string(name.substr(0, 40)) +
                                               "' isn't part of any data"});
  }
  Expr* made = expression(Expr::Kind::kAttribute, at, left);
  made->name = std::string(name);
  return made;
}

Result<Expr*> Parser::subscript(Expr* left) {
  Expr* made = expression(Expr::Kind::kSubscript, token().at, left);
  ++at_;
  std::array<Expr*, 3> parts{};
  std::size_t part = 0;
  while (!is_operator("]")) {
    if (skip_operator(":")) {
      if (++part >= parts.size()) return unexpected("']' after a slice");
      continue;
    }
    if (parts[part] != nullptr) return unexpected("']' in a subscript");
    WEFT_TRY(value, full());
    parts[part] = value;
  }
  if (part == 0 && parts[0] == nullptr) return unexpected("an index");
  ++at_;
  if (part == 0) {
    made->items.push_back(parts[0]);
  } else {
    made->kind = Expr::Kind::kSlice;
    made->items.assign(parts.begin(), parts.end());
  }
  return made;
}

Result<Expr*> Parser::filters(Expr* left) {
  for (;;) {
    if (skip_operator("|")) {
      WEFT_TRY(made, filter(left));
      left = made;
    } else if (is_word("is")) {
      WEFT_TRY(made, test(left));
      left = made;
    } else if (is_operator("(")) {
      Expr* made = expression(Expr::Kind::kCall, token().at, left);
      WEFT_TRY_VOID(arguments(*made, "a call"));
      left = made;
    } else {
      return left;
    }
  }
}

Result<Expr*> Parser::filter(Expr* left) {
  Expr* made = expression(Expr::Kind::kFilter, token().at, left);
  WEFT_TRY(name, expect_name("a filter"));
  if (!is_filter(name)) {
    return located(
        made->at, Error{ErrorCode::kUnsupported, "the filter '" + std::string(name.substr(0, 40)) +
                                                     "' isn't part of the chat template language"});
  }
  made->name = std::string(name);
  if (is_operator("(")) WEFT_TRY_VOID(arguments(*made, "a filter"));
  return made;
}

Result<Expr*> Parser::test(Expr* left) {
  const Position at = token().at;
  ++at_;
  const bool negated = skip_word("not");
  Expr* made = expression(Expr::Kind::kTest, token().at, left);
  std::string name = token().text;
  // "==" and its kin are tests too: `x is == 3`.
  if (token().type != TokenType::kName && token().type != TokenType::kOperator) {
    return unexpected("a test after 'is'");
  }
  ++at_;
  if (!is_test(name)) {
    return located(
        made->at, Error{ErrorCode::kUnsupported, "the test '" + std::string(name.substr(0, 40)) +
                                                     "' isn't part of the chat template language"});
  }
  made->name = std::move(name);
  const bool operand = (token().type == TokenType::kName && !is_word("else") && !is_word("or") &&
                        !is_word("and") && !is_word("is")) ||
                       token().type == TokenType::kString || token().type == TokenType::kInteger ||
                       token().type == TokenType::kFloat || is_operator("[") || is_operator("{");
  if (is_operator("(")) {
    WEFT_TRY_VOID(arguments(*made, "a test"));
  } else if (operand && !is_unary_test(made->name)) {
    WEFT_TRY(value, primary());
    WEFT_TRY(argument, postfix(value));
    made->items.push_back(argument);
  }
  if (!negated) return made;
  Expr* outer = expression(Expr::Kind::kNot, at);
  outer->items.push_back(made);
  return outer;
}

Result<void> Parser::arguments(Expr& call, std::string_view construct) {
  ++at_;
  for (bool first = true; !is_operator(")"); first = false) {
    if (!first) WEFT_TRY_VOID(expect_operator(",", construct));
    if (is_operator(")")) break;
    if (is_operator("*") || is_operator("**")) {
      return located(token().at,
                     Error{ErrorCode::kUnsupported, "unpacked arguments (*, **) aren't read"});
    }
    const bool keyword = token().type == TokenType::kName && ahead().type == TokenType::kOperator &&
                         ahead().text == "=";
    if (keyword) {
      std::string name = token().text;
      at_ += 2;
      WEFT_TRY(value, full());
      call.keywords.push_back({std::move(name), value});
      continue;
    }
    if (!call.keywords.empty()) return unexpected("a keyword argument");
    WEFT_TRY(value, full());
    call.items.push_back(value);
  }
  ++at_;
  return {};
}

}  // namespace weft::inference::jinja
