#pragma once
// A node's code with its types erased: one table serves graphs written in C++ and those from files.

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "planner/context.h"
#include "planner/value.h"

namespace weft::planner {

struct Body;

using Arguments = std::span<const Value* const>;

/// An attempt that ends later, from any thread: by the first finish(), a stop or its timeout,
/// whichever comes first. Keeps its arguments.
class Call {
 public:
  virtual ~Call() = default;
  virtual Ctx& ctx() noexcept = 0;
  virtual const Value& argument(std::size_t index) const noexcept = 0;
  virtual void finish(Result<Value> result) = 0;
};

/// Ends a Call with a value of its type. A copy ends the same one.
template <Storable T>
class Done {
 public:
  explicit Done(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  void operator()(Result<T> result) const {
    if (result) {
      call_->finish(make_value<T>(*std::move(result)));
    } else {
      call_->finish(std::move(result).error());
    }
  }
  Ctx& ctx() const noexcept { return call_->ctx(); }

 private:
  std::shared_ptr<Call> call_;
};

/// Exactly one of run, start, start_all and expand is set.
struct Function {
  std::vector<const Type*> inputs;
  const Type* output = nullptr;
  std::function<Result<Value>(Ctx&, Arguments)> run;
  std::function<void(std::shared_ptr<Call>)> start;
  /// Is given all its calls that are ready together, as siblings of a map are.
  std::function<void(std::vector<std::shared_ptr<Call>>)> start_all;
  /// Of a model's node, for forecasts: the tokens that these arguments would have it read. Empty
  /// where that can't be told before.
  std::function<Result<std::vector<std::int32_t>>(Arguments)> prompt;
  /// Of a plan's node: the graph that takes its place, made from what it is given. That graph's
  /// inputs are the node's but for the first, the document, and its result is an `output`. It is
  /// called under the run's lock and calls nothing outside; the same document, the same graph.
  std::function<Result<std::shared_ptr<const Body>>(Arguments)> expand;
  /// What a trace's key knows of the code beside its node's path and version: of a model's node the
  /// weights, template and options, of a tool's its program. Another one, and nothing that was
  /// recorded of the node holds any more.
  std::string fingerprint;
  /// What it does, for people: "chat qwen2.5-coder-0.5b", "execute_tool search".
  std::string label;
};

using FunctionPtr = std::shared_ptr<const Function>;
/// By the name that a graph's file calls them.
using Functions = std::map<std::string, FunctionPtr, std::less<>>;

namespace detail {
template <typename T>
struct Plain {
  using type = T;
};
template <typename T>
struct Plain<Result<T>> {
  using type = T;
};
}  // namespace detail

/// What F returns for inputs I, out of its Result.
template <typename F, typename... I>
using Returned = typename detail::Plain<
    std::remove_cvref_t<std::invoke_result_t<const F&, Ctx&, const I&...>>>::type;

/// Code for a node: called as fn(Ctx&, const I&...), it returns a Storable T or Result<T>. It may
/// run on several threads at once.
template <typename F, typename... I>
concept NodeFn = std::invocable<const F&, Ctx&, const I&...> && Storable<Returned<F, I...>>;

namespace detail {
template <typename R>
Result<Value> to_value(R&& result) {
  using T = typename Plain<std::remove_cvref_t<R>>::type;
  if constexpr (std::is_same_v<T, std::remove_cvref_t<R>>) {
    return make_value<T>(std::forward<R>(result));
  } else {
    if (!result) return std::forward<R>(result).error();
    return make_value<T>(*std::forward<R>(result));
  }
}
}  // namespace detail

template <typename... I, NodeFn<I...> F>
FunctionPtr make_function(F fn) {
  using T = Returned<F, I...>;
  auto made = std::make_shared<Function>();
  made->inputs = {type_of<I>()...};
  made->output = type_of<T>();
  made->run = [fn = std::move(fn)](Ctx& ctx, Arguments in) -> Result<Value> {
    return [&]<std::size_t... N>(std::index_sequence<N...>) -> Result<Value> {
      return detail::to_value(fn(ctx, in[N]->template as<I>()...));
    }(std::index_sequence_for<I...>{});
  };
  return made;
}

/// Code on `count` inputs of one type, called as fn(Ctx&, const std::vector<I>&).
template <Storable I, NodeFn<std::vector<I>> F>
FunctionPtr make_gather_function(F fn, std::size_t count) {
  using T = Returned<F, std::vector<I>>;
  auto made = std::make_shared<Function>();
  made->inputs.assign(count, type_of<I>());
  made->output = type_of<T>();
  made->run = [fn = std::move(fn)](Ctx& ctx, Arguments in) -> Result<Value> {
    std::vector<I> values;
    values.reserve(in.size());
    for (const Value* value : in) values.push_back(value->as<I>());
    return detail::to_value(fn(ctx, values));
  };
  return made;
}

/// Code that starts something and returns: fn(Done<T>, const I&...). Its inputs live until it is
/// done.
template <Storable T, Storable... I, std::invocable<Done<T>, const I&...> F>
FunctionPtr make_async_function(F fn) {
  auto made = std::make_shared<Function>();
  made->inputs = {type_of<I>()...};
  made->output = type_of<T>();
  made->start = [fn = std::move(fn)](std::shared_ptr<Call> call) {
    [&]<std::size_t... N>(std::index_sequence<N...>) {
      fn(Done<T>(call), call->argument(N).template as<I>()...);
    }(std::index_sequence_for<I...>{});
  };
  return made;
}

}  // namespace weft::planner
