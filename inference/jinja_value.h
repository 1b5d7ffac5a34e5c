#pragma once
// Values of the template language: Python's, without objects. Everything but a namespace is
// immutable, so values are shared freely and can't form a cycle.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/jinja_text.h"

namespace weft::inference::jinja {

class Value;
struct List;
class Dict;
struct Loop;
struct Callable;
struct Namespace;

inline constexpr std::size_t kValueDepthMax = 100;  // lists in lists: bounds every recursion

struct Undefined {
  std::shared_ptr<const std::string> what;  // names what was missing; may be null
};
struct None {};

class Value {
 public:
  using Storage =
      std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>,
                   std::shared_ptr<const List>, std::shared_ptr<const Dict>,
                   std::shared_ptr<const Loop>, std::shared_ptr<const Callable>, Namespace*>;

  Value() = default;  // undefined
  template <typename T>
    requires std::is_constructible_v<Storage, std::in_place_type_t<T>, T>
  Value(T held)  // NOLINT(google-explicit-constructor): a value is what it holds
      : storage_(std::in_place_type<T>, std::move(held)) {}
  Value(Text text);  // NOLINT(google-explicit-constructor)
  static Value trusted(std::string text) { return Value(Text(std::move(text), true)); }
  static Value undefined(std::string what);

  template <typename T>
  bool is() const noexcept {
    return std::holds_alternative<T>(storage_);
  }
  bool is_undefined() const noexcept { return is<Undefined>(); }
  bool is_none() const noexcept { return is<None>(); }
  bool is_number() const noexcept;  // bool included, as in Python
  bool is_integer() const noexcept { return is<std::int64_t>() || is<bool>(); }

  /// Null, or the content, which lives as long as this value.
  const Text* text() const noexcept { return pointee<Text>(); }
  const List* list() const noexcept { return pointee<List>(); }
  const Dict* dict() const noexcept { return pointee<Dict>(); }
  const Loop* loop() const noexcept { return pointee<Loop>(); }
  const Callable* callable() const noexcept { return pointee<Callable>(); }
  Namespace* name_space() const noexcept;
  std::int64_t integer() const;  // is_integer()
  double number() const;         // is_number()

  bool truthy() const noexcept;
  std::size_t depth() const noexcept;  // 0 for scalars
  /// Bytes or more that a walk over it visits; shared parts count each time, and it saturates.
  std::size_t weight() const noexcept;
  const char* type_name() const noexcept;  // for messages: "a string"
  const Storage& storage() const noexcept { return storage_; }

 private:
  template <typename T>
  const T* pointee() const noexcept {
    const auto* held = std::get_if<std::shared_ptr<const T>>(&storage_);
    return held != nullptr ? held->get() : nullptr;
  }

  Storage storage_;
};

struct List {
  std::vector<Value> items;
  bool tuple = false;  // differs in print only
  std::size_t depth = 1;
  std::size_t weight = 1;
};

/// Insertion-ordered. Keys are scalars.
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  /// False if `key` can't be one (a list or a dict).
  bool set(Value key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  std::size_t depth() const noexcept { return depth_; }
  std::size_t weight() const noexcept { return weight_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  std::size_t depth_ = 1;
  std::size_t weight_ = 1;
};

/// The `loop` of one iteration.
struct Loop {
  std::shared_ptr<const List> items;
  std::size_t index = 0;  // from 0
};

struct Namespace {
  Dict values;
};

struct Stmt;
struct Scope;

struct Callable {
  enum class Kind : std::uint8_t { kFunction, kMethod, kMacro };
  Kind kind = Kind::kFunction;
  std::string name;
  Value self;                   // a method's
  const Stmt* macro = nullptr;  // and the scope that it was defined in
  Scope* scope = nullptr;
};

/// Errors: kResourceExhausted if it would nest deeper than kValueDepthMax.
Result<Value> make_list(std::vector<Value> items);
Result<Value> make_tuple(std::vector<Value> items);
Result<Value> make_dict(Dict dict);

/// A scalar as a string that is equal for equal values; nothing for lists and dicts.
std::optional<std::string> hash_key(const Value& value);

bool equal(const Value& a, const Value& b);
/// Less, equal or greater: -1, 0, 1. Errors: kInvalidArgument if Python can't order them.
Result<int> compare(const Value& a, const Value& b);

/// Python's str() and repr(); both keep provenance.
/// Cost: the value's weight, as for equal() and compare(); callers check it first.
Text to_text(const Value& value);
Text to_repr(const Value& value);
std::string float_repr(double value);

/// Python's json.dumps(ensure_ascii=False). `indent` < 0: on one line.
struct JsonStyle {
  std::int64_t indent = -1;
  bool sort_keys = false;
  bool ensure_ascii = false;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  std::size_t bytes_max = 4 << 20;
};
/// Errors: kInvalidArgument for what has no JSON form, kResourceExhausted past bytes_max.
Result<Text> to_json(const Value& value, const JsonStyle& style);

}  // namespace weft::inference::jinja
