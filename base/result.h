#pragma once
// A value or the Error that stands in its way, with std::expected's member names.

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"

namespace weft {

namespace detail {
/// Taking the value of a failure (or the error of a success) is a bug of the caller: stop, in
/// release builds too, and name the line that failed.
[[noreturn]] inline void bad_result_access(const Error* error) {
  if (error != nullptr) {
    std::fprintf(stderr, "weft: value() of a failed Result (%s:%u): %s\n",
                 error->where.file_name(), static_cast<unsigned>(error->where.line()),
                 error->message.c_str());
  } else {
    std::fprintf(stderr, "weft: error() of a Result that holds a value\n");
  }
  std::abort();
}
}  // namespace detail

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  template <typename U = T>
    requires(std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value)  // NOLINT(google-explicit-constructor): `return value;` must read naturally
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error)  // NOLINT(google-explicit-constructor): likewise `return Error{...};`
      : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return checked(), std::get<0>(state_); }
  const T& value() const& { return checked(), std::get<0>(state_); }
  T&& value() && { return checked(), std::get<0>(std::move(state_)); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    if (has_value()) detail::bad_result_access(nullptr);
    return std::get<1>(state_);
  }
  Error&& error() && {
    if (has_value()) detail::bad_result_access(nullptr);
    return std::get<1>(std::move(state_));
  }

  template <typename U>
  T value_or(U&& fallback) const& {
    return has_value() ? std::get<0>(state_) : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  void checked() const {
    if (!has_value()) detail::bad_result_access(&std::get<1>(state_));
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error)  // NOLINT(google-explicit-constructor): `return Error{...};`
      : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (error_) detail::bad_result_access(&*error_);
  }

  const Error& error() const& {
    if (!error_) detail::bad_result_access(nullptr);
    return *error_;
  }
  Error&& error() && {
    if (!error_) detail::bad_result_access(nullptr);
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace weft

/// WEFT_TRY(name, expr): declares `name` with expr's value, or returns expr's Error.
#define WEFT_TRY(name, expr)                                           \
  auto name##_or_error = (expr);                                       \
  if (!name##_or_error) return std::move(name##_or_error).error();     \
  auto name = *std::move(name##_or_error)

/// WEFT_TRY_VOID(expr): returns expr's Error if there is one; for Result<void>, or to drop a value.
#define WEFT_TRY_VOID(expr)                                                       \
  do {                                                                            \
    auto weft_try_result = (expr);                                                \
    if (!weft_try_result) return std::move(weft_try_result).error();              \
  } while (false)
