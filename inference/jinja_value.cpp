#include "inference/jinja_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weft::inference::jinja {

Value::Value(Text text) : storage_(std::make_shared<const Text>(std::move(text))) {}

Value Value::undefined(std::string what) {
  return Undefined{std::make_shared<const std::string>(std::move(what))};
}

bool Value::is_number() const noexcept { return is<bool>() || is<std::int64_t>() || is<double>(); }

Namespace* Value::name_space() const noexcept {
  const auto* held = std::get_if<Namespace*>(&storage_);
  return held != nullptr ? *held : nullptr;
}

std::int64_t Value::integer() const {
  return is<bool>() ? static_cast<std::int64_t>(std::get<bool>(storage_))
                    : std::get<std::int64_t>(storage_);
}

double Value::number() const {
  return is<double>() ? std::get<double>(storage_) : static_cast<double>(integer());
}

bool Value::truthy() const noexcept {
  if (is_undefined() || is_none()) return false;
  if (is<double>()) return std::get<double>(storage_) != 0;
  if (is_integer()) return integer() != 0;
  if (text() != nullptr) return !text()->empty();
  if (list() != nullptr) return !list()->items.empty();
  if (dict() != nullptr) return !dict()->entries().empty();
  return true;
}

std::size_t Value::depth() const noexcept {
  if (list() != nullptr) return list()->depth;
  if (dict() != nullptr) return dict()->depth();
  if (loop() != nullptr) return loop()->items->depth + 1;
  if (callable() != nullptr) return callable()->self.depth() + 1;
  return 0;
}

static std::size_t saturating_sum(std::size_t a, std::size_t b) {
  return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

std::size_t Value::weight() const noexcept {
  if (text() != nullptr) return text()->size() + 1;
  if (list() != nullptr) return list()->weight;
  if (dict() != nullptr) return dict()->weight();
  return 1;
}

const char* Value::type_name() const noexcept {
  constexpr const char* kNames[] = {"undefined", "none",       "a boolean",  "an integer",
                                    "a number",  "a string",   "a list",     "a dict",
                                    "a loop",    "a function", "a namespace"};
  return kNames[storage_.index()];
}

std::optional<std::string> hash_key(const Value& value) {
  if (value.text() != nullptr) return "s" + value.text()->bytes();
  if (value.is_none()) return "n";
  if (value.is_undefined()) return "u";
  if (value.is_integer()) return "i" + std::to_string(value.integer());
  if (value.is<double>()) {
    const double number = value.number();
    // 1.0 and 1 are one key.
    const bool whole = std::abs(number) < 1e15 && number == std::floor(number);
    return whole ? "i" + std::to_string(static_cast<std::int64_t>(number))
                 : "f" + float_repr(number);
  }
  return std::nullopt;
}

bool Dict::set(Value key, Value value) {
  const auto hashed = hash_key(key);
  if (!hashed) return false;
  depth_ = std::max(depth_, value.depth() + 1);
  weight_ = saturating_sum(weight_, saturating_sum(key.weight(), value.weight()));
  const auto [place, added] = index_.try_emplace(*hashed, entries_.size());
  if (added) {
    entries_.push_back({std::move(key), std::move(value)});
  } else {
    entries_[place->second].value = std::move(value);
  }
  return true;
}

const Value* Dict::find(const Value& key) const {
  const auto hashed = hash_key(key);
  if (!hashed) return nullptr;
  const auto place = index_.find(*hashed);
  return place == index_.end() ? nullptr : &entries_[place->second].value;
}

const Value* Dict::find(std::string_view key) const {
  const auto place = index_.find(std::string("s") + std::string(key));
  return place == index_.end() ? nullptr : &entries_[place->second].value;
}

static Error too_deep() {
  return Error{ErrorCode::kResourceExhausted,
               "lists and dicts nest deeper than the limit of " + std::to_string(kValueDepthMax)};
}

static Result<Value> make_sequence(std::vector<Value> items, bool tuple) {
  std::size_t depth = 0;
  std::size_t weight = 1;
  for (const Value& item : items) {
    depth = std::max(depth, item.depth());
    weight = saturating_sum(weight, item.weight());
  }
  if (depth >= kValueDepthMax) return too_deep();
  return Value(std::make_shared<const List>(List{std::move(items), tuple, depth + 1, weight}));
}

Result<Value> make_list(std::vector<Value> items) { return make_sequence(std::move(items), false); }
Result<Value> make_tuple(std::vector<Value> items) { return make_sequence(std::move(items), true); }

Result<Value> make_dict(Dict dict) {
  if (dict.depth() > kValueDepthMax) return too_deep();
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.storage().index() != b.storage().index()) return false;
  if (a.text() != nullptr) return a.text()->bytes() == b.text()->bytes();
  if (a.list() != nullptr) {
    return a.list()->tuple == b.list()->tuple &&
           std::ranges::equal(a.list()->items, b.list()->items, equal);
  }
  if (a.dict() != nullptr) {
    const auto& entries = a.dict()->entries();
    return entries.size() == b.dict()->entries().size() &&
           std::ranges::all_of(entries, [&](const Dict::Entry& entry) {
             const Value* other = b.dict()->find(entry.key);
             return other != nullptr && equal(entry.value, *other);
           });
  }
  if (a.name_space() != nullptr) return a.name_space() == b.name_space();
  if (a.loop() != nullptr) return a.loop() == b.loop();
  return a.callable() == b.callable();  // undefined and none: both null
}

Result<int> compare(const Value& a, const Value& b) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (a.is_integer() && b.is_integer()) return order(a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return order(a.number(), b.number());
  if (a.text() != nullptr && b.text() != nullptr) {
    return order(a.text()->bytes(), b.text()->bytes());
  }
  if (a.list() != nullptr && b.list() != nullptr) {
    const auto& x = a.list()->items;
    const auto& y = b.list()->items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(x[i], y[i])) return compare(x[i], y[i]);
    }
    return order(x.size(), y.size());
  }
  return Error{ErrorCode::kInvalidArgument,
               std::string("can't order ") + a.type_name() + " and " + b.type_name()};
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string digits(buffer, end.ptr);
  const std::size_t mark = digits.find('e');
  const int exponent = std::stoi(digits.substr(mark + 1));
  // Python switches to an exponent outside 1e-4 .. 1e16.
  if (exponent < -4 || exponent >= 16) return digits;
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string out(buffer, fixed.ptr);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

static void append_repr_escape(std::string& out, std::uint32_t c) {
  constexpr char kHex[] = "0123456789abcdef";
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else {
    const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
    out += c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
    for (int i = digits - 1; i >= 0; --i) out += kHex[c >> (4 * i) & 0xFU];
  }
}

static Text string_repr(const Text& text) {
  const std::string& bytes = text.bytes();
  const bool single = bytes.find('\'') == std::string::npos || bytes.find('"') != std::string::npos;
  const char quote = single ? '\'' : '"';
  Text out;
  out.append(std::string_view(&quote, 1), true);
  for (std::size_t at = 0; at < bytes.size();) {
    const CodePoint c = code_point_at(bytes, at);
    std::string piece;
    if (c.value == '\\' || c.value == static_cast<unsigned char>(quote)) {
      piece = {'\\', static_cast<char>(c.value)};
    } else if (is_printable(c.value)) {
      piece = bytes.substr(at, c.size);
    } else {
      append_repr_escape(piece, c.value);
    }
    out.append(piece, text.trusted_at(at));
    at += c.size;
  }
  out.append(std::string_view(&quote, 1), true);
  return out;
}

// Recursion is bounded by kValueDepthMax.
Text to_repr(const Value& value) {
  if (value.text() != nullptr) return string_repr(*value.text());
  Text out;
  if (const List* list = value.list()) {
    out.append(list->tuple ? "(" : "[", true);
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out.append(", ", true);
      out.append(to_repr(list->items[i]));
    }
    if (list->tuple && list->items.size() == 1) out.append(",", true);
    out.append(list->tuple ? ")" : "]", true);
  } else if (const Dict* dict = value.dict()) {
    out.append("{", true);
    for (std::size_t i = 0; i < dict->entries().size(); ++i) {
      if (i > 0) out.append(", ", true);
      out.append(to_repr(dict->entries()[i].key));
      out.append(": ", true);
      out.append(to_repr(dict->entries()[i].value));
    }
    out.append("}", true);
  } else if (value.is_undefined()) {
    out.append("Undefined", true);
  } else {
    out = to_text(value);
  }
  return out;
}

Text to_text(const Value& value) {
  if (value.text() != nullptr) return *value.text();
  if (value.list() != nullptr || value.dict() != nullptr) return to_repr(value);
  if (value.is_undefined()) return {};
  if (value.is_none()) return {"None", true};
  if (value.is<bool>()) return {value.truthy() ? "True" : "False", true};
  if (value.is_integer()) return {std::to_string(value.integer()), true};
  if (value.is<double>()) return {float_repr(value.number()), true};
  return {std::string("<") + value.type_name() + ">", true};
}

}  // namespace weft::inference::jinja
