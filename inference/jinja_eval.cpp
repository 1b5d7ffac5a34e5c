#include "inference/jinja_eval.h"

#include <algorithm>

namespace weft::inference::jinja {

// A template may read and make this many times its output limit: enough for every message to pass
// through some thirty filters, little enough to end within a second or so.
static constexpr std::size_t kWorkPerOutput = 32;

class Interpreter::Deeper {
 public:
  explicit Deeper(Interpreter& run) : run_(run) { ++run_.depth_; }
  ~Deeper() { --run_.depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  Interpreter& run_;
};

static Error exhausted(std::string_view what, std::size_t limit) {
  return Error{ErrorCode::kResourceExhausted,
               std::string(what) + " limit of " + std::to_string(limit) + " reached"};
}

const Value* Arguments::find(std::size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  const auto found = std::ranges::find(keywords, name, &std::pair<std::string, Value>::first);
  return found != keywords.end() ? &found->second : nullptr;
}

Result<void> Arguments::check(std::initializer_list<std::string_view> names) const {
  if (positional.size() > names.size()) {
    return Error{ErrorCode::kInvalidArgument, "takes at most " + std::to_string(names.size()) +
                                                  " arguments, got " +
                                                  std::to_string(positional.size())};
  }
  for (const auto& [name, value] : keywords) {
    if (std::ranges::find(names, std::string_view(name)) == names.end()) {
      return Error{ErrorCode::kInvalidArgument, "has no argument '" + name + "'"};
    }
  }
  return {};
}

Arguments Arguments::without_first(std::size_t count) const {
  Arguments rest = *this;
  const auto begin = rest.positional.begin();
  rest.positional.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
  return rest;
}

Result<void> Interpreter::charge(std::size_t steps) {
  if (steps > limits_.steps_max - steps_) return exhausted("step", limits_.steps_max);
  steps_ += steps;
  return {};
}

Result<void> Interpreter::charge_bytes(std::size_t bytes) {
  const std::size_t most = limits_.output_bytes_max > SIZE_MAX / kWorkPerOutput
                               ? SIZE_MAX
                               : limits_.output_bytes_max * kWorkPerOutput;
  if (bytes > most - bytes_) return exhausted("work (bytes read or made)", most);
  bytes_ += bytes;
  return {};
}

Result<void> Interpreter::check_size(std::size_t text_bytes) const {
  if (text_bytes <= limits_.output_bytes_max) return {};
  return exhausted("string size", limits_.output_bytes_max);
}

Result<void> Interpreter::charge_walk(const Value& value) {
  WEFT_TRY_VOID(check_size(value.weight() - 1));
  return charge_bytes(value.weight());
}

Result<void> Interpreter::check_depth() const {
  if (depth_ <= limits_.depth_max) return {};
  return exhausted("depth", limits_.depth_max);
}

Result<Text> Interpreter::run(const Ast& ast, const Dict& globals) {
  Text out;
  out_ = &out;
  auto scope = open_scope(nullptr);
  scope_ = scope.get();
  for (const Dict::Entry& entry : globals.entries()) {
    scope_->names[entry.key.text()->bytes()] = entry.value;
  }
  // A block of its own, so that assignments leave the globals' names alone.
  WEFT_TRY(flow, execute(ast.body));
  static_cast<void>(flow);
  return out;
}

std::unique_ptr<Scope> Interpreter::open_scope(Scope* parent) {
  auto scope = std::make_unique<Scope>();
  scope->parent = parent;
  return scope;
}

void Interpreter::close_scope(std::unique_ptr<Scope> scope, Scope* back_to) {
  scope_ = back_to;
  if (scope->captured) kept_.push_back(std::move(scope));
}

Result<void> Interpreter::emit(Position at, const Text& text) {
  output_bytes_ += text.size();
  if (output_bytes_ > limits_.output_bytes_max) {
    return located(at, exhausted("output (bytes)", limits_.output_bytes_max));
  }
  out_->append(text);
  return {};
}

Result<Interpreter::Flow> Interpreter::execute(const std::vector<Stmt*>& body) {
  const Deeper deeper(*this);
  for (const Stmt* stmt : body) {
    if (auto ok = check_depth(); !ok) return located(stmt->at, ok.error());
    if (auto ok = charge(1); !ok) return located(stmt->at, ok.error());
    WEFT_TRY(flow, execute(*stmt));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute(const Stmt& stmt) {
  switch (stmt.kind) {
    case Stmt::Kind::kText:
      WEFT_TRY_VOID(emit(stmt.at, stmt.text));
      break;
    case Stmt::Kind::kPrint: {
      WEFT_TRY(value, evaluate(*stmt.value));
      auto text = text_of(value);
      if (!text) return located(stmt.at, std::move(text).error());
      WEFT_TRY_VOID(emit(stmt.at, *text));
      break;
    }
    case Stmt::Kind::kIf:
      return execute_if(stmt);
    case Stmt::Kind::kFor:
      return execute_for(stmt);
    case Stmt::Kind::kSet: {
      WEFT_TRY(value, evaluate(*stmt.value));
      WEFT_TRY_VOID(assign(*stmt.target, value));
      break;
    }
    case Stmt::Kind::kSetBlock:
    case Stmt::Kind::kFilterBlock: {
      WEFT_TRY(text, captured_body(stmt));
      const Value outer = std::exchange(body_, Value(std::move(text)));
      auto value = evaluate(*stmt.value);
      body_ = outer;
      if (!value) return std::move(value).error();
      if (stmt.kind == Stmt::Kind::kSetBlock) {
        WEFT_TRY_VOID(assign(*stmt.target, *value));
      } else {
        WEFT_TRY(result, text_of(*value));
        WEFT_TRY_VOID(emit(stmt.at, result));
      }
      break;
    }
    case Stmt::Kind::kMacro:
      scope_->names[stmt.name] = macro_value(stmt);
      break;
    case Stmt::Kind::kCallBlock:
      WEFT_TRY_VOID(execute_call(stmt));
      break;
    case Stmt::Kind::kScope: {
      WEFT_TRY(text, captured_body(stmt));
      WEFT_TRY_VOID(emit(stmt.at, text));
      break;
    }
    case Stmt::Kind::kBreak:
      return Flow::kBreak;
    case Stmt::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute_if(const Stmt& stmt) {
  for (const Stmt::Branch& branch : stmt.branches) {
    if (branch.condition != nullptr) {
      WEFT_TRY(condition, evaluate(*branch.condition));
      if (!condition.truthy()) continue;
    }
    return execute(branch.body);
  }
  return Flow::kNext;
}

// What the loop runs over, after its "if".
Result<std::shared_ptr<const List>> Interpreter::loop_items(const Stmt& stmt) {
  WEFT_TRY(iterable, evaluate(*stmt.value));
  auto all = iterate(iterable);
  if (!all) return located(stmt.at, std::move(all).error().with_context("'for'"));
  if (stmt.filter == nullptr) return std::move(*all);
  List kept;
  for (const Value& item : (*all)->items) {
    auto scope = open_scope(scope_);
    Scope* const outer = std::exchange(scope_, scope.get());
    auto assigned = assign(*stmt.target, item);
    auto wanted = assigned ? evaluate(*stmt.filter) : Result<Value>(assigned.error());
    close_scope(std::move(scope), outer);
    if (!wanted) return std::move(wanted).error();
    if (wanted->truthy()) kept.items.push_back(item);
  }
  kept.depth = (*all)->depth;
  kept.weight = (*all)->weight;
  return std::make_shared<const List>(std::move(kept));
}

Result<Interpreter::Flow> Interpreter::execute_for(const Stmt& stmt) {
  WEFT_TRY(items, loop_items(stmt));
  if (items->items.empty()) {
    return stmt.branches.size() > 1 ? execute(stmt.branches[1].body) : Flow::kNext;
  }
  for (std::size_t i = 0; i < items->items.size(); ++i) {
    if (auto ok = charge(1); !ok) return located(stmt.at, ok.error());
    WEFT_TRY(flow, iteration(stmt, std::make_shared<const Loop>(Loop{items, i})));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::iteration(const Stmt& stmt,
                                                 std::shared_ptr<const Loop> loop) {
  auto scope = open_scope(scope_);
  Scope* const outer = std::exchange(scope_, scope.get());
  auto assigned = assign(*stmt.target, loop->items->items[loop->index]);
  scope_->names["loop"] = Value(std::move(loop));
  auto flow = assigned ? execute(stmt.branches[0].body) : Result<Flow>(assigned.error());
  close_scope(std::move(scope), outer);
  return flow;
}

// The output of a block's body, run in a scope of its own.
Result<Text> Interpreter::captured_body(const Stmt& stmt) {
  auto scope = open_scope(scope_);
  Scope* const outer = std::exchange(scope_, scope.get());
  Text text;
  Text* const out = std::exchange(out_, &text);
  const std::size_t written = output_bytes_;
  auto flow = execute(stmt.branches[0].body);
  output_bytes_ = written;
  out_ = out;
  close_scope(std::move(scope), outer);
  if (!flow) return std::move(flow).error();
  if (auto ok = charge_bytes(text.size()); !ok) return located(stmt.at, ok.error());
  return text;
}

Value Interpreter::macro_value(const Stmt& stmt) {
  for (Scope* scope = scope_; scope != nullptr; scope = scope->parent) scope->captured = true;
  auto macro = std::make_shared<Callable>();
  macro->kind = Callable::Kind::kMacro;
  macro->name = stmt.name;
  macro->macro = &stmt;
  macro->scope = scope_;
  return Value(std::shared_ptr<const Callable>(std::move(macro)));
}

Result<void> Interpreter::execute_call(const Stmt& stmt) {
  const Value caller = macro_value(stmt);
  WEFT_TRY(callee, evaluate(*stmt.value->left));
  WEFT_TRY(value, apply_call(*stmt.value, callee, &caller));
  auto text = text_of(value);
  if (!text) return located(stmt.at, std::move(text).error());
  return emit(stmt.at, *text);
}

// Recursion follows the target's source, so the parser has bounded it.
Result<void> Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == Expr::Kind::kName) {
    scope_->names[target.name] = value;
    return {};
  }
  const auto fail = [&](std::string message) {
    return located(target.at, Error{ErrorCode::kInvalidArgument, std::move(message)});
  };
  if (target.kind == Expr::Kind::kAttribute) {
    Namespace* space = lookup(target.left->name).name_space();
    if (space == nullptr) {
      return fail("can't set '" + target.left->name + "." + target.name + "': '" +
                  target.left->name + "' is no namespace");
    }
    space->values.set(Value::trusted(target.name), value);
    return {};
  }
  auto items = iterate(value);
  if (!items) return located(target.at, std::move(items).error());
  if ((*items)->items.size() != target.items.size()) {
    return fail("can't unpack " + std::to_string((*items)->items.size()) + " values into " +
                std::to_string(target.items.size()) + " names");
  }
  for (std::size_t i = 0; i < target.items.size(); ++i) {
    WEFT_TRY_VOID(assign(*target.items[i], (*items)->items[i]));
  }
  return {};
}

}  // namespace weft::inference::jinja
