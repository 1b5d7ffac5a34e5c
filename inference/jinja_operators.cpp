// Operators, indexing and membership on values, with Python's meanings.

#include <algorithm>
#include <cmath>

#include "inference/jinja_eval.h"

namespace weft::inference::jinja {

static Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

Error undefined_error(const Value& value) {
  const auto* held = std::get_if<Undefined>(&value.storage());
  const bool named = held != nullptr && held->what != nullptr;
  return invalid(named ? held->what->substr(0, 200) : "the value is undefined");
}

static Error overflow() {
  return Error{ErrorCode::kResourceExhausted, "integers are limited to 64 bits"};
}

static std::int64_t floor_mod(std::int64_t a, std::int64_t b) {
  const std::int64_t rest = b == -1 ? 0 : a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static Result<Value> integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t out = 1;
  if (base == 0 || base == 1) return Value(exponent == 0 ? out : base);
  if (base == -1) return Value(exponent % 2 == 0 ? out : base);
  for (; exponent > 0; --exponent) {  // at most 63 times: |base| > 1
    if (__builtin_mul_overflow(out, base, &out)) return overflow();
  }
  return Value(out);
}

static Result<Value> integers(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &out)) return overflow();
      return Value(out);
    case Op::kSubtract:
      if (__builtin_sub_overflow(a, b, &out)) return overflow();
      return Value(out);
    case Op::kMultiply:
      if (__builtin_mul_overflow(a, b, &out)) return overflow();
      return Value(out);
    case Op::kPower:
      if (b < 0) return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
      return integer_power(a, b);
    default:
      break;
  }
  if (b == 0) return invalid("division by zero");
  if (op == Op::kDivide) return Value(static_cast<double>(a) / static_cast<double>(b));
  if (op == Op::kModulo) return Value(floor_mod(a, b));
  if (b == -1) return integers(Op::kSubtract, 0, a);
  return Value(a / b - (floor_mod(a, b) != a % b ? 1 : 0));
}

static Result<Value> reals(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value(a + b);
    case Op::kSubtract:
      return Value(a - b);
    case Op::kMultiply:
      return Value(a * b);
    case Op::kPower:
      return Value(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) return invalid("division by zero");
  if (op == Op::kDivide) return Value(a / b);
  if (op == Op::kFloorDivide) return Value(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

// "ab" * 3 and [1] * 3.
static Result<Value> repeat(Interpreter& run, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (const Text* text = value.text()) {
    const std::size_t most = run.limits().output_bytes_max;
    WEFT_TRY_VOID(run.check_size(text->empty()  ? 0
                                 : times > most ? SIZE_MAX
                                                : text->size() * times));
    WEFT_TRY_VOID(run.charge_bytes(text->empty() ? 0 : text->size() * times));
    Text out;
    for (std::size_t i = 0; !text->empty() && i < times; ++i) out.append(*text);
    return Value(std::move(out));
  }
  const auto& items = value.list()->items;
  const std::size_t most = run.limits().steps_max;
  WEFT_TRY_VOID(run.charge(items.empty() ? 0 : times > most ? SIZE_MAX : items.size() * times));
  std::vector<Value> out;
  for (std::size_t i = 0; !items.empty() && i < times; ++i) {
    out.insert(out.end(), items.begin(), items.end());
  }
  return value.list()->tuple ? make_tuple(std::move(out)) : make_list(std::move(out));
}

static Result<Value> joined(Interpreter& run, const Text& a, const Text& b) {
  WEFT_TRY_VOID(run.check_size(a.size() + b.size()));
  // A run costs about as much as sixteen bytes.
  WEFT_TRY_VOID(run.charge_bytes(a.size() + b.size() + 16 * (a.runs().size() + b.runs().size())));
  Text out = a;
  out.append(b);
  return Value(std::move(out));
}

Result<Value> binary(Interpreter& run, Op op, const Value& a, const Value& b) {
  if (op == Op::kConcatenate) {
    WEFT_TRY(left, run.text_of(a));
    WEFT_TRY(right, run.text_of(b));
    return joined(run, left, right);
  }
  if (a.is_undefined() || b.is_undefined()) return undefined_error(a.is_undefined() ? a : b);
  if (a.is_integer() && b.is_integer()) return integers(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return reals(op, a.number(), b.number());
  if (op == Op::kAdd && a.text() != nullptr && b.text() != nullptr) {
    return joined(run, *a.text(), *b.text());
  }
  if (op == Op::kAdd && a.list() != nullptr && b.list() != nullptr &&
      a.list()->tuple == b.list()->tuple) {
    WEFT_TRY_VOID(run.charge(a.list()->items.size() + b.list()->items.size()));
    std::vector<Value> items = a.list()->items;
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return a.list()->tuple ? make_tuple(std::move(items)) : make_list(std::move(items));
  }
  const auto repeatable = [](const Value& value) { return value.text() || value.list(); };
  if (op == Op::kMultiply && repeatable(a) && b.is_integer()) return repeat(run, a, b.integer());
  if (op == Op::kMultiply && a.is_integer() && repeatable(b)) return repeat(run, b, a.integer());
  constexpr const char* kNames[] = {"+", "-", "*", "/", "//", "%", "**"};
  return invalid(std::string("operator '") + kNames[static_cast<std::size_t>(op)] +
                 "' doesn't take " + a.type_name() + " and " + b.type_name());
}

Result<Text> Interpreter::text_of(const Value& value) {
  WEFT_TRY_VOID(charge_walk(value));
  Text text = to_text(value);
  WEFT_TRY_VOID(check_size(text.size()));
  return text;
}

Result<bool> Interpreter::equals(const Value& a, const Value& b) {
  WEFT_TRY_VOID(charge_bytes(std::min(a.weight(), b.weight())));
  return equal(a, b);
}

Result<bool> Interpreter::contains(const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.is_undefined()) return undefined_error(item);
    if (item.text() == nullptr) {
      return invalid(std::string("'in' a string needs a string, not ") + item.type_name());
    }
    // The search may compare all of `item` at every place.
    WEFT_TRY_VOID(charge_bytes(text->size() * (1 + item.text()->size() / 16)));
    return text->bytes().find(item.text()->bytes()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    WEFT_TRY_VOID(charge_bytes(item.weight()));
    return dict->find(item) != nullptr;
  }
  WEFT_TRY(items, iterate(container));
  for (const Value& candidate : items->items) {
    WEFT_TRY(same, equals(candidate, item));
    if (same) return true;
  }
  return false;
}

Result<std::shared_ptr<const List>> Interpreter::iterate(const Value& value) {
  using Items = std::shared_ptr<const List>;
  if (const auto* list = std::get_if<Items>(&value.storage())) {
    WEFT_TRY_VOID(charge((*list)->items.size()));
    return *list;
  }
  List out;
  if (const Text* text = value.text()) {
    WEFT_TRY_VOID(charge(text->size()));
    for (std::size_t at = 0; at < text->size();) {
      const std::size_t size = code_point_at(text->bytes(), at).size;
      out.items.emplace_back(text->slice(at, at + size));
      at += size;
    }
    out.weight = 2 * text->size() + 1;
  } else if (const Dict* dict = value.dict()) {
    WEFT_TRY_VOID(charge(dict->entries().size()));
    for (const Dict::Entry& entry : dict->entries()) out.items.push_back(entry.key);
    out.weight = dict->weight();
  } else if (!value.is_undefined()) {
    return invalid(std::string(value.type_name()) + " can't be iterated");
  }
  return std::make_shared<const List>(std::move(out));
}

static Value method_of(const Value& self, std::string_view name) {
  auto method = std::make_shared<Callable>();
  method->kind = Callable::Kind::kMethod;
  method->name = std::string(name);
  method->self = self;
  return Value(std::shared_ptr<const Callable>(std::move(method)));
}

static Value loop_attribute(const Loop& loop, std::string_view name) {
  const auto& items = loop.items->items;
  const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
  const std::size_t i = loop.index;
  if (name == "index") return number(i + 1);
  if (name == "index0") return number(i);
  if (name == "revindex") return number(items.size() - i);
  if (name == "revindex0") return number(items.size() - i - 1);
  if (name == "first") return Value(i == 0);
  if (name == "last") return Value(i + 1 == items.size());
  if (name == "length") return number(items.size());
  if (name == "depth") return number(1);
  if (name == "depth0") return number(0);
  if (name == "previtem" && i > 0) return items[i - 1];
  if (name == "nextitem" && i + 1 < items.size()) return items[i + 1];
  return Value::undefined(std::string("'loop.") + std::string(name.substr(0, 40)) +
                          "' is undefined");
}

Result<Value> Interpreter::attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) return undefined_error(object);
  if (has_method(object, name)) return method_of(object, name);
  if (const Dict* dict = object.dict()) {
    WEFT_TRY_VOID(charge_bytes(name.size()));
    if (const Value* found = dict->find(name)) return *found;
  }
  if (const Namespace* space = object.name_space()) {
    if (const Value* found = space->values.find(name)) return *found;
  }
  if (object.loop() != nullptr) return loop_attribute(*object.loop(), name);
  if (name.starts_with("__")) {
    return Error{ErrorCode::kUnsupported, "the attribute isn't part of any data"};
  }
  return Value::undefined(std::string(object.type_name()) + " has no '" +
                          std::string(name.substr(0, 40)) + "'");
}

Result<Value> Interpreter::subscript(const Value& object, const Value& key) {
  if (object.is_undefined()) return undefined_error(object);
  if (const Dict* dict = object.dict()) {
    WEFT_TRY_VOID(charge_bytes(key.weight()));
    if (const Value* found = dict->find(key)) return *found;
  }
  if (key.text() != nullptr) return attribute(object, key.text()->bytes());
  const Value missing = Value::undefined("the element is undefined");
  if (!key.is_integer()) return missing;
  if (const List* list = object.list()) {
    const auto size = static_cast<std::int64_t>(list->items.size());
    const std::int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at < 0 || at >= size) return missing;
    return list->items[static_cast<std::size_t>(at)];
  }
  if (const Text* text = object.text()) {
    WEFT_TRY_VOID(charge_bytes(text->size()));
    const auto size = static_cast<std::int64_t>(count_code_points(text->bytes()));
    const std::int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at < 0 || at >= size) return missing;
    const std::size_t begin = byte_of_code_point(text->bytes(), static_cast<std::size_t>(at));
    return Value(text->slice(begin, begin + code_point_at(text->bytes(), begin).size));
  }
  return missing;
}

// The indices of Python's slice(start, stop, step) over `size` elements.
static Result<std::vector<std::size_t>> slice_indices(std::int64_t size, const Value& start,
                                                      const Value& stop, const Value& step) {
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integer()) return invalid("bounds must be integers");
  }
  const std::int64_t by = step.is_none() ? 1 : step.integer();
  if (by == 0) return invalid("the step can't be 0");
  const std::int64_t low = by > 0 ? 0 : -1;
  const std::int64_t high = by > 0 ? size : size - 1;
  const auto clamp = [&](const Value& bound, std::int64_t fallback) {
    if (bound.is_none()) return fallback;
    const std::int64_t at = bound.integer();
    return std::clamp(at < 0 ? at + size : at, low, high);
  };
  const std::int64_t end = clamp(stop, by > 0 ? high : low);
  std::vector<std::size_t> indices;
  for (std::int64_t at = clamp(start, by > 0 ? low : high); by > 0 ? at < end : at > end;) {
    indices.push_back(static_cast<std::size_t>(at));
    if (__builtin_add_overflow(at, by, &at)) break;
  }
  return indices;
}

Result<Value> slice(Interpreter& run, const Value& value, const Value& start, const Value& stop,
                    const Value& step) {
  if (value.is_undefined()) return undefined_error(value);
  if (const List* list = value.list()) {
    WEFT_TRY_VOID(run.charge(list->items.size()));
    WEFT_TRY(indices,
             slice_indices(static_cast<std::int64_t>(list->items.size()), start, stop, step));
    std::vector<Value> out;
    for (const std::size_t i : indices) out.push_back(list->items[i]);
    return list->tuple ? make_tuple(std::move(out)) : make_list(std::move(out));
  }
  const Text* text = value.text();
  if (text == nullptr) return invalid(std::string(value.type_name()) + " can't be sliced");
  WEFT_TRY_VOID(run.charge_bytes(text->size()));
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text->size(); at += code_point_at(text->bytes(), at).size) {
    starts.push_back(at);
  }
  WEFT_TRY(indices, slice_indices(static_cast<std::int64_t>(starts.size()), start, stop, step));
  starts.push_back(text->size());
  Text out;
  for (const std::size_t i : indices) out.append(text->slice(starts[i], starts[i + 1]));
  return Value(std::move(out));
}

}  // namespace weft::inference::jinja
