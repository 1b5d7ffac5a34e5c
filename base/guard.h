#pragma once
// The boundary that a callback of somebody else passes: what it throws becomes an Error.

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace weft {

/// Calls `function` and returns its value, or kInternal with the exception's text. A function that
/// returns a Result is passed through.
template <typename Function>
auto guarded(Function&& function) noexcept {
  using Value = std::invoke_result_t<Function&&>;
  constexpr bool kIsResult =
      requires { typename Value::value_type; } && std::is_constructible_v<Value, Error>;
  using Outcome = typename decltype([] {
    if constexpr (kIsResult) {
      return std::type_identity<Value>{};
    } else {
      return std::type_identity<Result<Value>>{};
    }
  }())::type;
  try {
    if constexpr (std::is_void_v<Value>) {
      std::forward<Function>(function)();
      return Outcome{};
    } else {
      return Outcome(std::forward<Function>(function)());
    }
  } catch (const std::exception& thrown) {
    return Outcome(Error{ErrorCode::kInternal, std::string("a callback threw: ") + thrown.what()});
  } catch (...) {
    return Outcome(Error{ErrorCode::kInternal, "a callback threw something that is no exception"});
  }
}

}  // namespace weft
