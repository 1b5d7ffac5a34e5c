#include <algorithm>

#include "inference/jinja_eval.h"

namespace weft::inference::jinja {

static Result<Value> at_place(const Expr& expr, Result<Value> value, std::string_view construct) {
  if (value) return value;
  Error error = std::move(value).error();
  if (!construct.empty()) error = std::move(error).with_context(construct);
  return located(expr.at, std::move(error));
}

Value Interpreter::lookup(const std::string& name) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    const auto found = scope->names.find(name);
    if (found != scope->names.end()) return found->second;
  }
  if (is_function(name)) {
    auto function = std::make_shared<Callable>();
    function->name = name;
    return Value(std::shared_ptr<const Callable>(std::move(function)));
  }
  return Value::undefined("'" + name + "' is undefined");
}

// A chain such as a + b + c or x.y|f is walked by a loop: its length isn't depth.
Result<Value> Interpreter::evaluate(const Expr& expr) {
  std::vector<const Expr*> chain;
  const Expr* leaf = &expr;
  for (; leaf->kind >= Expr::Kind::kBinary; leaf = leaf->left) chain.push_back(leaf);
  if (auto ok = charge(chain.size() + 1); !ok) return located(expr.at, ok.error());
  ++depth_;
  auto deep = check_depth();
  auto value = deep ? evaluate_leaf(*leaf) : Result<Value>(located(expr.at, deep.error()));
  for (std::size_t i = chain.size(); value && i > 0; --i) {
    value = apply(*chain[i - 1], *value);
  }
  --depth_;
  return value;
}

Result<Value> Interpreter::evaluate_leaf(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kLiteral:
      return expr.literal;
    case Expr::Kind::kBody:
      return body_;
    case Expr::Kind::kName:
      return lookup(expr.name);
    case Expr::Kind::kNot: {
      WEFT_TRY(operand, evaluate(*expr.items[0]));
      return Value(!operand.truthy());
    }
    case Expr::Kind::kNegate:
    case Expr::Kind::kPlus: {
      WEFT_TRY(operand, evaluate(*expr.items[0]));
      const Op op = expr.kind == Expr::Kind::kNegate ? Op::kSubtract : Op::kAdd;
      return at_place(expr, binary(*this, op, Value(std::int64_t{0}), operand), "sign");
    }
    case Expr::Kind::kConditional: {
      WEFT_TRY(condition, evaluate(*expr.items[0]));
      const Expr* chosen = condition.truthy() ? expr.items[1] : expr.items[2];
      if (chosen == nullptr) return Value::undefined("the 'if' expression has no 'else'");
      return evaluate(*chosen);
    }
    default:
      return evaluate_items(expr);
  }
}

// Lists, tuples and dicts.
Result<Value> Interpreter::evaluate_items(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.items.size());
  for (const Expr* item : expr.items) {
    WEFT_TRY(value, evaluate(*item));
    items.push_back(std::move(value));
  }
  if (expr.kind == Expr::Kind::kList) return at_place(expr, make_list(std::move(items)), {});
  if (expr.kind == Expr::Kind::kTuple) return at_place(expr, make_tuple(std::move(items)), {});
  Dict dict;
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (!dict.set(items[i], items[i + 1])) {
      return located(expr.at, Error{ErrorCode::kInvalidArgument,
                                    std::string(items[i].type_name()) + " can't be a dict's key"});
    }
  }
  return at_place(expr, make_dict(std::move(dict)), {});
}

Result<Value> Interpreter::apply(const Expr& expr, const Value& left) {
  switch (expr.kind) {
    case Expr::Kind::kAnd:
      return left.truthy() ? evaluate(*expr.items[0]) : left;
    case Expr::Kind::kOr:
      return left.truthy() ? left : evaluate(*expr.items[0]);
    case Expr::Kind::kBinary: {
      WEFT_TRY(right, evaluate(*expr.items[0]));
      return at_place(expr, binary(*this, expr.op, left, right), {});
    }
    case Expr::Kind::kCompare:
      return apply_comparison(expr, left);
    case Expr::Kind::kAttribute:
      return at_place(expr, attribute(left, expr.name), "'." + expr.name + "'");
    case Expr::Kind::kSubscript: {
      WEFT_TRY(key, evaluate(*expr.items[0]));
      return at_place(expr, subscript(left, key), "'[ ]'");
    }
    case Expr::Kind::kSlice:
      return apply_slice(expr, left);
    case Expr::Kind::kCall:
      return apply_call(expr, left, nullptr);
    case Expr::Kind::kFilter: {
      WEFT_TRY(arguments, evaluate_arguments(expr));
      return at_place(expr, apply_filter(*this, expr.name, left, arguments),
                      "filter '" + expr.name + "'");
    }
    default: {
      WEFT_TRY(arguments, evaluate_arguments(expr));
      auto passed = apply_test(*this, expr.name, left, arguments);
      auto value = passed ? Result<Value>(Value(*passed)) : Result<Value>(passed.error());
      return at_place(expr, std::move(value), "test '" + expr.name + "'");
    }
  }
}

static Result<bool> holds(Interpreter& run, Op op, const Value& a, const Value& b) {
  if (op == Op::kEqual || op == Op::kNotEqual) {
    WEFT_TRY(same, run.equals(a, b));
    return same == (op == Op::kEqual);
  }
  if (op == Op::kIn || op == Op::kNotIn) {
    WEFT_TRY(found, run.contains(b, a));
    return found == (op == Op::kIn);
  }
  if (a.is_undefined() || b.is_undefined()) return undefined_error(a.is_undefined() ? a : b);
  WEFT_TRY_VOID(run.charge_bytes(std::min(a.weight(), b.weight())));
  WEFT_TRY(order, compare(a, b));
  switch (op) {
    case Op::kLess:
      return order < 0;
    case Op::kLessEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Result<Value> Interpreter::apply_comparison(const Expr& expr, const Value& left) {
  Value a = left;
  for (std::size_t i = 0; i < expr.items.size(); ++i) {
    WEFT_TRY(b, evaluate(*expr.items[i]));
    auto held = holds(*this, expr.ops[i], a, b);
    if (!held) return located(expr.at, std::move(held).error().with_context("comparison"));
    if (!*held) return Value(false);
    a = std::move(b);
  }
  return Value(true);
}

Result<Value> Interpreter::apply_slice(const Expr& expr, const Value& left) {
  Value bounds[3] = {None{}, None{}, None{}};
  for (std::size_t i = 0; i < 3; ++i) {
    if (expr.items[i] == nullptr) continue;
    WEFT_TRY(bound, evaluate(*expr.items[i]));
    bounds[i] = std::move(bound);
  }
  return at_place(expr, slice(*this, left, bounds[0], bounds[1], bounds[2]), "slice");
}

Result<Arguments> Interpreter::evaluate_arguments(const Expr& expr) {
  Arguments arguments;
  for (const Expr* item : expr.items) {
    WEFT_TRY(value, evaluate(*item));
    arguments.positional.push_back(std::move(value));
  }
  for (const Expr::Keyword& keyword : expr.keywords) {
    WEFT_TRY(value, evaluate(*keyword.value));
    arguments.keywords.emplace_back(keyword.name, std::move(value));
  }
  return arguments;
}

// `caller`: the body of a call block, or null.
Result<Value> Interpreter::apply_call(const Expr& expr, const Value& callee, const Value* caller) {
  const Callable* callable = callee.callable();
  if (callable == nullptr) {
    Error error = callee.is_undefined()
                      ? undefined_error(callee)
                      : Error{ErrorCode::kInvalidArgument,
                              std::string(callee.type_name()) + " can't be called"};
    return located(expr.at, std::move(error).with_context("call"));
  }
  WEFT_TRY(arguments, evaluate_arguments(expr));
  if (caller != nullptr) arguments.keywords.emplace_back("caller", *caller);
  switch (callable->kind) {
    case Callable::Kind::kMacro:
      return call_macro(expr, *callable, std::move(arguments));
    case Callable::Kind::kMethod:
      return at_place(expr, call_method(*this, callable->self, callable->name, arguments),
                      "method '" + callable->name + "'");
    default:
      return at_place(expr, call_function(*this, callable->name, arguments),
                      callable->name == "raise_exception" ? "the template refuses"
                                                          : "function '" + callable->name + "'");
  }
}

Result<Value> Interpreter::call_macro(const Expr& expr, const Callable& macro,
                                      Arguments arguments) {
  const Stmt& stmt = *macro.macro;
  const auto fail = [&](const std::string& message) {
    return located(expr.at, Error{ErrorCode::kInvalidArgument,
                                  "macro '" + macro.name.substr(0, 40) + "' " + message});
  };
  if (arguments.positional.size() > stmt.parameters.size()) {
    return fail("takes at most " + std::to_string(stmt.parameters.size()) + " arguments");
  }
  auto scope = open_scope(macro.scope);
  Scope* const outer = std::exchange(scope_, scope.get());
  Text text;
  Text* const out = std::exchange(out_, &text);
  const std::size_t written = output_bytes_;
  const auto bind_and_run = [&]() -> Result<void> {
    scope_->names["caller"] = Value::undefined("'caller' is undefined");
    for (std::size_t i = 0; i < stmt.parameters.size(); ++i) {
      const Stmt::Parameter& parameter = stmt.parameters[i];
      const Value* given = arguments.find(i, parameter.name);
      if (given != nullptr) {
        scope_->names[parameter.name] = *given;
      } else if (parameter.fallback != nullptr) {
        WEFT_TRY(value, evaluate(*parameter.fallback));
        scope_->names[parameter.name] = std::move(value);
      } else {
        scope_->names[parameter.name] =
            Value::undefined("parameter '" + parameter.name + "' was not given");
      }
    }
    for (const auto& [name, value] : arguments.keywords) {
      const bool known =
          std::ranges::find(stmt.parameters, name, &Stmt::Parameter::name) != stmt.parameters.end();
      if (name == "caller") {
        scope_->names["caller"] = value;
      } else if (!known) {
        return fail("has no argument '" + name + "'");
      }
    }
    WEFT_TRY(flow, execute(stmt.branches[0].body));
    static_cast<void>(flow);
    return {};
  };
  auto done = bind_and_run();
  output_bytes_ = written;
  out_ = out;
  close_scope(std::move(scope), outer);
  if (!done) return std::move(done).error();
  if (auto ok = charge_bytes(text.size()); !ok) return located(expr.at, ok.error());
  return Value(std::move(text));
}

}  // namespace weft::inference::jinja
