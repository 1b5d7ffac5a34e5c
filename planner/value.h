#pragma once
// What flows along a graph's edges: immutable values, shared by all who read them, of data types
// that have a name and a JSON form, so that a graph from a file is checked as one from C++ is.

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace weft::planner {

struct Type;

/// A shared, immutable value of some Type; empty if default-made.
class Value {
 public:
  Value() = default;
  Value(std::shared_ptr<const void> data, const Type* type) : data_(std::move(data)), type_(type) {}

  explicit operator bool() const noexcept { return data_ != nullptr; }
  const Type* type() const noexcept { return type_; }
  const std::shared_ptr<const void>& data() const noexcept { return data_; }
  /// What identifies it in a run that is traced; else zeros.
  const Digest& digest() const noexcept { return digest_; }
  void set_digest(const Digest& digest) noexcept { digest_ = digest; }
  /// The caller has checked type(): the builder or the validator did, for a graph's edges.
  template <typename T>
  const T& as() const noexcept {
    return *static_cast<const T*>(data_.get());
  }

 private:
  std::shared_ptr<const void> data_;
  const Type* type_ = nullptr;
  Digest digest_{};
};

/// An element that a collecting map couldn't make.
struct Missing {
  std::int64_t index = 0;
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  friend bool operator==(const Missing&, const Missing&) = default;
};

/// What a collecting map made: values[i] is that of element indices[i], in the order of elements.
template <typename T>
struct Partial {
  std::vector<std::int64_t> indices;
  std::vector<T> values;
  std::vector<Missing> missing;

  friend bool operator==(const Partial&, const Partial&) = default;
};

/// A list or Partial taken apart. A list has values alone.
struct Parts {
  std::vector<std::int64_t> indices;
  std::vector<Value> values;
  std::vector<Missing> missing;
};

/// A data type at run time: one object a type, compared by address.
struct Type {
  enum class Kind { kScalar, kList, kPartial };

  std::string name;  // as in a graph's file, such as "list<text>"
  Kind kind = Kind::kScalar;
  const Type* element = nullptr;  // of a list or Partial
  // Of a scalar:
  void (*to_json)(const Value&, nlohmann::json&) = nullptr;
  Result<Value> (*from_json)(const nlohmann::json&) = nullptr;
  // Of the others. An element shares its list where it can; join() copies.
  Parts (*split)(const Value&) = nullptr;
  Value (*join)(const Parts&) = nullptr;
};

/// Specialise it for a data type of your own: `static constexpr const char* kName`,
/// `static void to_json(nlohmann::json&, const T&)`,
/// `static Result<T> from_json(const nlohmann::json&)`.
template <typename T>
struct Codec {};

// clang-format off
#define WEFT_PLANNER_SCALAR(T, NAME)                             \
  template <>                                                    \
  struct Codec<T> {                                              \
    static constexpr const char* kName = NAME;                   \
    static void to_json(nlohmann::json& json, const T& value);   \
    static Result<T> from_json(const nlohmann::json& json);      \
  };
WEFT_PLANNER_SCALAR(bool, "bool")
WEFT_PLANNER_SCALAR(std::int64_t, "int")
WEFT_PLANNER_SCALAR(double, "number")
WEFT_PLANNER_SCALAR(std::string, "text")
#undef WEFT_PLANNER_SCALAR
// clang-format on

template <typename T>
    struct IsStorable : std::bool_constant < requires {
  Codec<T>::kName;
} > {};
template <typename T>
struct IsStorable<std::vector<T>> : IsStorable<T> {};
template <typename T>
struct IsStorable<Partial<T>> : IsStorable<T> {};

/// Types that a graph's values may have: bool, std::int64_t, double, std::string, those with a
/// Codec, and std::vector and Partial of such.
template <typename T>
concept Storable = IsStorable<T>::value;

template <Storable T>
const Type* type_of();

template <Storable T>
Value make_value(T value) {
  return Value(std::make_shared<const T>(std::move(value)), type_of<T>());
}

/// The JSON of any value, and back. A list is an array; a Partial is
/// {"values": [[index, value]...], "missing": [[index, code, message]...]}.
nlohmann::json to_json(const Value& value);
/// Errors: kInvalidArgument names the type and what stands there instead.
Result<Value> from_json(const Type& type, const nlohmann::json& json);

namespace detail {

template <typename T>
struct MakeType {
  static Type make() {
    return {.name = Codec<T>::kName,
            .to_json = [](const Value& v, nlohmann::json& j) { Codec<T>::to_json(j, v.as<T>()); },
            .from_json = [](const nlohmann::json& j) -> Result<Value> {
              auto read = Codec<T>::from_json(j);
              if (!read) return std::move(read).error();
              return make_value<T>(*std::move(read));
            }};
  }
};

template <typename T>
Value element_of(const Value& list, const std::vector<T>& items, std::size_t i) {
  if constexpr (std::is_same_v<T, bool>) {  // its vector has no elements to point at
    return make_value<bool>(items[i]);
  } else {
    return Value(std::shared_ptr<const void>(list.data(), &items[i]), type_of<T>());
  }
}

template <typename T>
struct MakeType<std::vector<T>> {
  static Type make() {
    return {.name = "list<" + type_of<T>()->name + ">",
            .kind = Type::Kind::kList,
            .element = type_of<T>(),
            .split = [](const Value& v) -> Parts {
              Parts parts;
              const auto& items = v.as<std::vector<T>>();
              parts.values.reserve(items.size());
              for (std::size_t i = 0; i < items.size(); ++i) {
                parts.values.push_back(element_of<T>(v, items, i));
              }
              return parts;
            },
            .join = [](const Parts& parts) -> Value {
              std::vector<T> items;
              items.reserve(parts.values.size());
              for (const Value& item : parts.values) items.push_back(item.as<T>());
              return make_value(std::move(items));
            }};
  }
};

template <typename T>
struct MakeType<Partial<T>> {
  static Type make() {
    return {.name = "partial<" + type_of<T>()->name + ">",
            .kind = Type::Kind::kPartial,
            .element = type_of<T>(),
            .split = [](const Value& v) -> Parts {
              const auto& partial = v.as<Partial<T>>();
              Parts parts{.indices = partial.indices, .missing = partial.missing};
              for (std::size_t i = 0; i < partial.values.size(); ++i) {
                parts.values.push_back(element_of<T>(v, partial.values, i));
              }
              return parts;
            },
            .join = [](const Parts& parts) -> Value {
              Partial<T> partial{.indices = parts.indices, .missing = parts.missing};
              for (const Value& item : parts.values) partial.values.push_back(item.as<T>());
              return make_value(std::move(partial));
            }};
  }
};

}  // namespace detail

template <Storable T>
const Type* type_of() {
  static const Type type = detail::MakeType<T>::make();
  return &type;
}

}  // namespace weft::planner
