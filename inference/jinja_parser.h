#pragma once
// Recursive descent over the tokens; the grammar and its precedences are Jinja2's.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/jinja_ast.h"

namespace weft::inference::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Ast> run();

 private:
  using Words = std::initializer_list<std::string_view>;
  using ExprResult = Result<Expr*>;
  using StmtResult = Result<Stmt*>;

  const Token& token() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is_word(std::string_view word) const;
  bool is_operator(std::string_view symbol) const;
  bool skip_word(std::string_view word);
  bool skip_operator(std::string_view symbol);
  Result<void> expect_operator(std::string_view symbol, std::string_view construct);
  // A view of the token.
  Result<std::string_view> expect_name(std::string_view construct);
  Error unexpected(std::string_view construct) const;
  Expr* expression(Expr::Kind kind, Position at, Expr* left = nullptr);
  Stmt* statement(Stmt::Kind kind, Position at);
  Result<void> enter();  // one level deeper; paired with leave()
  void leave() { --depth_; }

  // Statements: jinja_parser.cpp. A body ends before the block that begins with one of `ends`.
  Result<std::vector<Stmt*>> body(Words ends, Position opened);
  Result<void> end_of_block(std::string_view construct);
  Result<std::vector<Stmt*>> block_body(std::string_view construct, std::string_view end,
                                        Position opened);
  StmtResult block();
  StmtResult block_of(std::string_view word, Position at);
  StmtResult if_block(Position at);
  StmtResult for_block(Position at);
  StmtResult set_block(Position at);
  StmtResult macro_block(Position at);
  StmtResult call_block(Position at);
  StmtResult filter_block(Position at);
  StmtResult scope_block(Position at);
  Result<void> parameters(Stmt& owner);
  ExprResult target(bool with_namespace);
  ExprResult target_item(bool with_namespace);

  // Expressions: jinja_parser_expr.cpp.
  ExprResult tuple(bool with_conditional, std::string_view construct);
  ExprResult full();  // with "a if b else c"
  ExprResult or_();
  ExprResult and_();
  ExprResult not_();
  ExprResult compare();
  ExprResult sum();
  ExprResult concatenation();
  ExprResult product();
  ExprResult power();
  ExprResult unary(bool with_filter);
  ExprResult primary();
  ExprResult number();
  ExprResult list();
  ExprResult dict();
  ExprResult postfix(Expr* left);
  ExprResult attribute(Expr* left);
  ExprResult subscript(Expr* left);
  ExprResult filters(Expr* left);
  ExprResult filter(Expr* left);
  ExprResult test(Expr* left);
  Result<void> arguments(Expr& call, std::string_view construct);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::size_t loops_ = 0;  // for break and continue
  Ast ast_;
};

}  // namespace weft::inference::jinja
