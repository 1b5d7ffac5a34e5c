#pragma once
// Runs a parsed template. Nothing of the host is reachable: values are data, functions are the
// few of jinja_builtins, and every loop, string and recursion is paid for from a budget.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inference/jinja_ast.h"
#include "inference/jinja_value.h"

namespace weft::inference::jinja {

struct RunLimits {
  std::size_t steps_max;
  std::size_t output_bytes_max;
  std::size_t depth_max;
};

struct Scope {
  Scope* parent = nullptr;
  std::unordered_map<std::string_view, Value> names;  // views into the tree or the globals
  bool captured = false;                              // a macro refers to it: keep it to the end
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;

  /// The argument at `index` or called `name`; null if it isn't given.
  const Value* find(std::size_t index, std::string_view name) const;
  /// Errors: kInvalidArgument for arguments beyond or not among `names`.
  Result<void> check(std::initializer_list<std::string_view> names) const;
  Arguments without_first(std::size_t count) const;
};

class Interpreter {
 public:
  /// `globals` and the tree must outlive it. One run each.
  Interpreter(const RunLimits& limits, std::int64_t unix_time_s)
      : limits_(limits), unix_time_s_(unix_time_s) {}

  Result<Text> run(const Ast& ast, const Dict& globals);

  // For the built-in functions. Their errors have no place yet; the caller adds it.
  Result<void> charge(std::size_t steps);
  /// Bytes read or made: bounds both time and memory.
  Result<void> charge_bytes(std::size_t bytes);
  /// Pays for a walk over the value, and refuses those longer than an output may be.
  Result<void> charge_walk(const Value& value);
  Result<void> check_size(std::size_t text_bytes) const;
  Result<Text> text_of(const Value& value);  // to_text, paid
  Result<bool> equals(const Value& a, const Value& b);
  Result<bool> contains(const Value& container, const Value& item);
  /// A list as it is, a string's characters, a dict's keys; undefined is empty.
  Result<std::shared_ptr<const List>> iterate(const Value& value);
  Result<Value> attribute(const Value& object, std::string_view name);
  Result<Value> subscript(const Value& object, const Value& key);
  Namespace& make_namespace() { return namespaces_.emplace_back(); }
  std::int64_t unix_time_s() const noexcept { return unix_time_s_; }
  const RunLimits& limits() const noexcept { return limits_; }

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };

  class Deeper;  // counts one level while it lives
  Result<void> check_depth() const;

  // Statements: jinja_eval.cpp.
  Result<Flow> execute(const std::vector<Stmt*>& body);
  Result<Flow> execute(const Stmt& stmt);
  Result<Flow> execute_if(const Stmt& stmt);
  Result<Flow> execute_for(const Stmt& stmt);
  Result<Flow> iteration(const Stmt& stmt, std::shared_ptr<const Loop> loop);
  Result<std::shared_ptr<const List>> loop_items(const Stmt& stmt);
  Result<void> execute_call(const Stmt& stmt);
  Result<Text> captured_body(const Stmt& stmt);
  Result<void> assign(const Expr& target, const Value& value);
  Result<void> emit(Position at, const Text& text);
  Value macro_value(const Stmt& stmt);
  std::unique_ptr<Scope> open_scope(Scope* parent);
  void close_scope(std::unique_ptr<Scope> scope, Scope* back_to);

  // Expressions: jinja_eval_expr.cpp.
  Result<Value> evaluate(const Expr& expr);
  Result<Value> evaluate_leaf(const Expr& expr);
  Result<Value> evaluate_items(const Expr& expr);
  Result<Value> apply(const Expr& expr, const Value& left);
  Result<Value> apply_comparison(const Expr& expr, const Value& left);
  Result<Value> apply_slice(const Expr& expr, const Value& left);
  Result<Value> apply_call(const Expr& expr, const Value& callee, const Value* caller);
  Result<Value> call_macro(const Expr& expr, const Callable& macro, Arguments arguments);
  Result<Arguments> evaluate_arguments(const Expr& expr);
  Value lookup(const std::string& name) const;

  RunLimits limits_;
  std::int64_t unix_time_s_;
  std::size_t steps_ = 0;
  std::size_t bytes_ = 0;
  std::size_t output_bytes_ = 0;
  std::size_t depth_ = 0;
  Scope* scope_ = nullptr;
  Text* out_ = nullptr;
  Value body_;  // what Expr::Kind::kBody stands for
  std::deque<Namespace> namespaces_;
  std::vector<std::unique_ptr<Scope>> kept_;
};

// jinja_operators.cpp
Result<Value> binary(Interpreter& run, Op op, const Value& a, const Value& b);
Result<Value> slice(Interpreter& run, const Value& value, const Value& start, const Value& stop,
                    const Value& step);
Error undefined_error(const Value& value);

// jinja_filters.cpp, jinja_tests.cpp, jinja_methods.cpp, jinja_functions.cpp
Result<Value> apply_filter(Interpreter& run, std::string_view name, const Value& input,
                           const Arguments& arguments);
Result<bool> apply_test(Interpreter& run, std::string_view name, const Value& input,
                        const Arguments& arguments);
bool has_method(const Value& object, std::string_view name);
Result<Value> call_method(Interpreter& run, const Value& self, std::string_view name,
                          const Arguments& arguments);
bool is_function(std::string_view name);
Result<Value> call_function(Interpreter& run, std::string_view name, const Arguments& arguments);

}  // namespace weft::inference::jinja
