#include "inference/jinja_parser.h"

#include <algorithm>
#include <utility>

namespace weft::inference::jinja {

Result<Ast> parse(std::string_view source) {
  WEFT_TRY(tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

Result<Ast> Parser::run() {
  WEFT_TRY(statements, body({}, {}));
  ast_.body = std::move(statements);
  return std::move(ast_);
}

bool Parser::is_word(std::string_view word) const {
  return token().type == TokenType::kName && token().text == word;
}

bool Parser::is_operator(std::string_view symbol) const {
  return token().type == TokenType::kOperator && token().text == symbol;
}

bool Parser::skip_word(std::string_view word) {
  const bool found = is_word(word);
  if (found) ++at_;
  return found;
}

bool Parser::skip_operator(std::string_view symbol) {
  const bool found = is_operator(symbol);
  if (found) ++at_;
  return found;
}

Result<void> Parser::expect_operator(std::string_view symbol, std::string_view construct) {
  if (skip_operator(symbol)) return {};
  return unexpected(std::string("'") + std::string(symbol) + "' in " + std::string(construct));
}

Result<std::string_view> Parser::expect_name(std::string_view construct) {
  if (token().type != TokenType::kName)
    return unexpected(std::string("a name in ") + std::string(construct));
  return std::string_view(tokens_[at_++].text);
}

Error Parser::unexpected(std::string_view construct) const {
  std::string found;
  switch (token().type) {
    case TokenType::kText:
    case TokenType::kEnd:
      found = "the end of the template";
      break;
    case TokenType::kPrintBegin:
      found = "'{{'";
      break;
    case TokenType::kPrintEnd:
      found = "'}}'";
      break;
    case TokenType::kBlockBegin:
      found = "'{%'";
      break;
    case TokenType::kBlockEnd:
      found = "'%}'";
      break;
    case TokenType::kString:
      found = "a string";
      break;
    default:
      found = "'" + token().text.substr(0, 40) + "'";
  }
  return syntax_error(token().at, "expected " + std::string(construct) + ", found " + found);
}

Expr* Parser::expression(Expr::Kind kind, Position at, Expr* left) {
  Expr& made = ast_.expressions.emplace_back();
  made.kind = kind;
  made.at = at;
  made.left = left;
  return &made;
}

Stmt* Parser::statement(Stmt::Kind kind, Position at) {
  Stmt& made = ast_.statements.emplace_back();
  made.kind = kind;
  made.at = at;
  return &made;
}

Result<void> Parser::enter() {
  if (++depth_ <= kNestingMax) return {};
  return located(token().at, Error{ErrorCode::kResourceExhausted,
                                   "blocks and brackets nest deeper than the limit of " +
                                       std::to_string(kNestingMax)});
}

Result<std::vector<Stmt*>> Parser::body(Words ends, Position opened) {
  WEFT_TRY_VOID(enter());
  std::vector<Stmt*> statements;
  for (;;) {
    const Position at = token().at;
    if (token().type == TokenType::kText) {
      Stmt* text = statement(Stmt::Kind::kText, at);
      text->text = Text(std::move(tokens_[at_++].text), true);
      statements.push_back(text);
    } else if (token().type == TokenType::kPrintBegin) {
      ++at_;
      Stmt* print = statement(Stmt::Kind::kPrint, at);
      WEFT_TRY(value, tuple(true, "'{{ }}'"));
      print->value = value;
      statements.push_back(print);
      if (token().type != TokenType::kPrintEnd) return unexpected("'}}'");
      ++at_;
    } else if (token().type == TokenType::kBlockBegin) {
      if (std::ranges::find(ends, std::string_view(ahead().text)) != ends.end()) break;
      WEFT_TRY(made, block());
      statements.push_back(made);
    } else if (ends.size() == 0) {
      break;
    } else {
      return syntax_error(opened, "block has no '{% " + std::string(*(ends.end() - 1)) + " %}'");
    }
  }
  leave();
  return statements;
}

Result<void> Parser::end_of_block(std::string_view construct) {
  if (token().type != TokenType::kBlockEnd) {
    return unexpected(std::string("'%}' of ") + std::string(construct));
  }
  ++at_;
  return {};
}

// "%} BODY {% END %}".
Result<std::vector<Stmt*>> Parser::block_body(std::string_view construct, std::string_view end,
                                              Position opened) {
  WEFT_TRY_VOID(end_of_block(construct));
  WEFT_TRY(statements, body({end}, opened));
  at_ += 2;
  // "{% endmacro NAME %}" may repeat its name.
  if (end == "endmacro" && token().type == TokenType::kName) ++at_;
  WEFT_TRY_VOID(end_of_block(end));
  return statements;
}

Result<Stmt*> Parser::block() {
  const Position at = token().at;
  ++at_;
  WEFT_TRY(word, expect_name("'{% %}'"));
  return block_of(word, at);
}

Result<Stmt*> Parser::block_of(std::string_view word, Position at) {
  if (word == "if") return if_block(at);
  if (word == "for") return for_block(at);
  if (word == "set") return set_block(at);
  if (word == "macro") return macro_block(at);
  if (word == "call") return call_block(at);
  if (word == "filter") return filter_block(at);
  if (word == "generation") return scope_block(at);
  if (word == "break" || word == "continue") {
    if (loops_ == 0) {
      return syntax_error(at, "'" + std::string(word) + "' outside of a loop");
    }
    WEFT_TRY_VOID(end_of_block(word));
    return statement(word == "break" ? Stmt::Kind::kBreak : Stmt::Kind::kContinue, at);
  }
  if (word.starts_with("end") || word == "else" || word == "elif") {
    return syntax_error(at, "'{% " + std::string(word) + " %}' has no block to belong to");
  }
  return located(
      at, Error{ErrorCode::kUnsupported, "the block '{% " + std::string(word.substr(0, 40)) +
                                             " %}' isn't part of the chat template language"});
}

Result<Stmt*> Parser::if_block(Position at) {
  Stmt* made = statement(Stmt::Kind::kIf, at);
  for (bool first = true;; first = false) {
    WEFT_TRY(condition, tuple(true, first ? "'if'" : "'elif'"));
    WEFT_TRY_VOID(end_of_block("'if'"));
    WEFT_TRY(then, body({"elif", "else", "endif"}, at));
    made->branches.push_back({condition, std::move(then)});
    ++at_;
    if (!skip_word("elif")) break;
  }
  if (skip_word("else")) {
    WEFT_TRY_VOID(end_of_block("'else'"));
    WEFT_TRY(otherwise, body({"endif"}, at));
    made->branches.push_back({nullptr, std::move(otherwise)});
    ++at_;
  }
  ++at_;
  WEFT_TRY_VOID(end_of_block("'endif'"));
  return made;
}

Result<Stmt*> Parser::for_block(Position at) {
  Stmt* made = statement(Stmt::Kind::kFor, at);
  WEFT_TRY(names, target(false));
  made->target = names;
  if (!skip_word("in")) return unexpected("'in' in 'for'");
  WEFT_TRY(value, tuple(false, "'for'"));
  made->value = value;
  if (skip_word("if")) {
    WEFT_TRY(condition, full());
    made->filter = condition;
  }
  if (is_word("recursive")) {
    return located(token().at, Error{ErrorCode::kUnsupported, "'for ... recursive' isn't read"});
  }
  WEFT_TRY_VOID(end_of_block("'for'"));
  ++loops_;
  WEFT_TRY(statements, body({"else", "endfor"}, at));
  --loops_;
  made->branches.push_back({nullptr, std::move(statements)});
  ++at_;
  if (skip_word("else")) {
    WEFT_TRY_VOID(end_of_block("'else'"));
    WEFT_TRY(otherwise, body({"endfor"}, at));
    made->branches.push_back({nullptr, std::move(otherwise)});
    ++at_;
  }
  ++at_;
  WEFT_TRY_VOID(end_of_block("'endfor'"));
  return made;
}

Result<Expr*> Parser::target_item(bool with_namespace) {
  const Position at = token().at;
  if (skip_operator("(")) {
    WEFT_TRY_VOID(enter());
    WEFT_TRY(inner, target(false));
    leave();
    WEFT_TRY_VOID(expect_operator(")", "an assignment's target"));
    return inner;
  }
  WEFT_TRY(name, expect_name("an assignment's target"));
  constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False",
                                            "None", "and",   "or",   "not",  "in",
                                            "is",   "if",    "else", "elif"};
  if (std::ranges::find(kReserved, name) != std::end(kReserved)) {
    return syntax_error(at, "can't assign to '" + std::string(name) + "'");
  }
  Expr* made = expression(Expr::Kind::kName, at);
  made->name = std::string(name);
  if (with_namespace && skip_operator(".")) {
    made = expression(Expr::Kind::kAttribute, at, made);
    WEFT_TRY(field, expect_name("an assignment's target"));
    made->name = std::string(field);
  }
  return made;
}

Result<Expr*> Parser::target(bool with_namespace) {
  const Position at = token().at;
  WEFT_TRY(first, target_item(with_namespace));
  if (!is_operator(",")) return first;
  Expr* made = expression(Expr::Kind::kTuple, at);
  made->items.push_back(first);
  while (skip_operator(",")) {
    if (token().type != TokenType::kName && !is_operator("(")) break;
    if (is_word("in")) break;
    WEFT_TRY(item, target_item(with_namespace));
    made->items.push_back(item);
  }
  return made;
}

Result<Stmt*> Parser::set_block(Position at) {
  WEFT_TRY(names, target(true));
  if (skip_operator("=")) {
    Stmt* made = statement(Stmt::Kind::kSet, at);
    made->target = names;
    WEFT_TRY(value, tuple(true, "'set'"));
    made->value = value;
    WEFT_TRY_VOID(end_of_block("'set'"));
    return made;
  }
  Stmt* made = statement(Stmt::Kind::kSetBlock, at);
  made->target = names;
  WEFT_TRY(value, filters(expression(Expr::Kind::kBody, at)));
  made->value = value;
  const std::size_t loops = std::exchange(loops_, 0);
  WEFT_TRY(statements, block_body("'set'", "endset", at));
  loops_ = loops;
  made->branches.push_back({nullptr, std::move(statements)});
  return made;
}

Result<void> Parser::parameters(Stmt& owner) {
  while (!is_operator(")")) {
    if (!owner.parameters.empty()) WEFT_TRY_VOID(expect_operator(",", "a parameter list"));
    if (is_operator(")")) break;
    WEFT_TRY(name, expect_name("a parameter list"));
    Expr* fallback = nullptr;
    if (skip_operator("=")) {
      WEFT_TRY(value, full());
      fallback = value;
    } else if (!owner.parameters.empty() && owner.parameters.back().fallback != nullptr) {
      return syntax_error(token().at, "a parameter without default after one with");
    }
    owner.parameters.push_back({std::string(name), fallback});
  }
  ++at_;
  return {};
}

Result<Stmt*> Parser::macro_block(Position at) {
  Stmt* made = statement(Stmt::Kind::kMacro, at);
  WEFT_TRY(name, expect_name("'macro'"));
  made->name = std::string(name);
  WEFT_TRY_VOID(expect_operator("(", "'macro'"));
  WEFT_TRY_VOID(parameters(*made));
  const std::size_t loops = std::exchange(loops_, 0);
  WEFT_TRY(statements, block_body("'macro'", "endmacro", at));
  loops_ = loops;
  made->branches.push_back({nullptr, std::move(statements)});
  return made;
}

Result<Stmt*> Parser::call_block(Position at) {
  Stmt* made = statement(Stmt::Kind::kCallBlock, at);
  made->name = "caller";
  if (skip_operator("(")) WEFT_TRY_VOID(parameters(*made));
  const Position call_at = token().at;
  WEFT_TRY(value, full());
  if (value->kind != Expr::Kind::kCall) {
    return syntax_error(call_at, "'{% call %}' needs a call of a macro");
  }
  made->value = value;
  const std::size_t loops = std::exchange(loops_, 0);
  WEFT_TRY(statements, block_body("'call'", "endcall", at));
  loops_ = loops;
  made->branches.push_back({nullptr, std::move(statements)});
  return made;
}

Result<Stmt*> Parser::filter_block(Position at) {
  Stmt* made = statement(Stmt::Kind::kFilterBlock, at);
  WEFT_TRY(first, filter(expression(Expr::Kind::kBody, at)));
  WEFT_TRY(value, filters(first));
  made->value = value;
  const std::size_t loops = std::exchange(loops_, 0);
  WEFT_TRY(statements, block_body("'filter'", "endfilter", at));
  loops_ = loops;
  made->branches.push_back({nullptr, std::move(statements)});
  return made;
}

// "{% generation %}": marks the assistant's text for training; here only a scope.
Result<Stmt*> Parser::scope_block(Position at) {
  Stmt* made = statement(Stmt::Kind::kScope, at);
  const std::size_t loops = std::exchange(loops_, 0);
  WEFT_TRY(statements, block_body("'generation'", "endgeneration", at));
  loops_ = loops;
  made->branches.push_back({nullptr, std::move(statements)});
  return made;
}

}  // namespace weft::inference::jinja
