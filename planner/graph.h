#pragma once
// Builds a graph: each call adds a node that takes earlier values and yields one, so a graph has no
// cycle and no value is written twice. Control is structured: branch, bounded loop, map, scope;
// their graphs inside may use values from outside. The first mistake is kept, and build() returns
// it.
//
//   Graph g;
//   auto text = g.input<std::string>("text");
//   auto words = g.node("split", split, {}, text);          // split(Ctx&, const std::string&)
//   auto counts = g.map("count", count, {}, words);         // one node an element
//   auto program = g.build(g.node("sum", sum, {}, counts));

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planner/program.h"

namespace weft::planner {

class Graph;
namespace file {
class Reader;  // of graphs' files: it knows types at run time only
}

/// A handle on a value that a run will make once.
template <Storable T>
struct Out {
  const Graph* graph = nullptr;
  Slot slot = 0;
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  template <Storable T>
  Out<T> input(std::string_view name) {
    return {this, add_input(name, type_of<T>())};
  }

  /// Runs fn(Ctx&, const I&...), which returns a T or Result<T>. A graph's file calls it by its
  /// name, behind those of the nodes that it is inside of.
  template <Storable... I, NodeFn<I...> F>
  Out<Returned<F, I...>> node(std::string_view name, F fn, const Policy& policy, Out<I>... in) {
    return call<Returned<F, I...>>(name, make_function<I...>(std::move(fn)), policy, in...);
  }

  /// Runs fn(Ctx&, const std::vector<I>&) on the values of any number of nodes.
  template <Storable I, NodeFn<std::vector<I>> F>
  Out<Returned<F, std::vector<I>>> gather(std::string_view name, F fn, const Policy& policy,
                                          const std::vector<Out<I>>& in) {
    using T = Returned<F, std::vector<I>>;
    std::vector<Slot> slots;
    for (const Out<I>& from : in) slots.push_back(resolve(from.graph, from.slot, type_of<I>()));
    auto code = make_gather_function<I>(std::move(fn), in.size());
    return Out<T>{this, add_code(name, std::move(code), policy, std::move(slots))};
  }

  /// Runs fn(Done<T>, const I&...), which starts something and returns; no thread waits for its
  /// end.
  template <Storable T, Storable... I, std::invocable<Done<T>, const I&...> F>
  Out<T> async(std::string_view name, F fn, const Policy& policy, Out<I>... in) {
    return call<T>(name, make_async_function<T, I...>(std::move(fn)), policy, in...);
  }

  /// A node of erased code, whose result is a T: build() checks it.
  template <Storable T, Storable... I>
  Out<T> call(std::string_view name, FunctionPtr code, const Policy& policy, Out<I>... in) {
    check_output(name, *code, type_of<T>());
    return {this,
            add_code(name, std::move(code), policy, {resolve(in.graph, in.slot, type_of<I>())...})};
  }

  /// One node an element, in any order; the results are in the elements' order. The first that
  /// fails fails the map.
  template <Storable T, NodeFn<T> F>
  Out<std::vector<Returned<F, T>>> map(std::string_view name, F fn, const Policy& policy,
                                       Out<std::vector<T>> in) {
    return map_each(name, in, [&](Graph& g, Out<T> element) {
      return g.node(name, std::move(fn), policy, element);
    });
  }
  /// One graph an element: body(Graph&, Out<T>) returns an Out.
  template <Storable T, typename F>
  auto map_each(std::string_view name, Out<std::vector<T>> in, F body) {
    return add_map<NodeKind::kMap, std::vector>(name, in, std::move(body));
  }
  /// As map(), but elements that fail, or for which the budget has no room, are told apart.
  template <Storable T, NodeFn<T> F>
  Out<Partial<Returned<F, T>>> collect(std::string_view name, F fn, const Policy& policy,
                                       Out<std::vector<T>> in) {
    return collect_each(name, in, [&](Graph& g, Out<T> element) {
      return g.node(name, std::move(fn), policy, element);
    });
  }
  template <Storable T, typename F>
  auto collect_each(std::string_view name, Out<std::vector<T>> in, F body) {
    return add_map<NodeKind::kCollect, Partial>(name, in, std::move(body));
  }

  /// Only one of yes(Graph&) and no(Graph&) is run; both return an Out<T>.
  template <typename Yes, typename No>
  auto branch(std::string_view name, Out<bool> condition, Yes yes, No no) {
    using Result = std::invoke_result_t<Yes&, Graph&>;
    Node node =
        open(name, NodeKind::kBranch, {resolve(condition.graph, condition.slot, type_of<bool>())});
    Graph first(this, std::string(name) + "/yes");
    first.finish_into(node, yes(first));
    Graph second(this, std::string(name) + "/no");
    const Result other = no(second);
    second.finish_into(node, other);
    return Result{this, add(std::move(node))};
  }

  /// body(Graph&, Out<S>) -> Out<S> again and again, until until(Ctx&, const S&) or the bound: the
  /// last state is the value, and an event tells if it was the bound.
  template <Storable S, typename Body, NodeFn<S> Until>
  Out<S> loop(std::string_view name, Out<S> init, Body body, Until until, int iterations_max) {
    return add_loop(name, init, iterations_max, [&](Graph& inside, Out<S> state) {
      const Out<S> next = body(inside, state);
      const Out<bool> ends = inside.node("until", std::move(until), {}, next);
      inside.until_ = ends.slot;
      return next;
    });
  }
  template <Storable S, typename Body>
  Out<S> loop(std::string_view name, Out<S> init, Body body, int iterations_max) {
    return add_loop(name, init, iterations_max, body);
  }

  /// body(Graph&) -> Out with a budget of its own, drawn from the one it is in, and a time, counted
  /// from when the run comes to it, after which it fails with kDeadlineExceeded; 0 = none.
  template <typename F>
  auto scope(std::string_view name, const SpendLimit& limit, F body,
             std::chrono::nanoseconds wall_time = {}) {
    using Result = std::invoke_result_t<F&, Graph&>;
    Node node = open(name, NodeKind::kScope, {});
    node.limit = limit;
    node.wall_time = wall_time;
    Graph inside(this, name);
    inside.finish_into(node, body(inside));
    return Result{this, add(std::move(node))};
  }

  /// A person's answer to `question`. A run with a trace that has nothing else to do ends as
  /// suspended, and goes on with the answer when it is resumed, in whichever process; see
  /// AnyRun::questions().
  template <Storable A>
  Out<A> ask(std::string_view name, Out<std::string> question) {
    Node node = open(name, NodeKind::kAsk,
                     {resolve(question.graph, question.slot, type_of<std::string>())});
    return {this, add(std::move(node), type_of<A>())};
  }

  /// A graph that is made when the run comes to it: `code` expands `document`, and what it makes is
  /// run on `in` in this node's place. See plans/plan.h for those that models write.
  template <Storable T, Storable Document, Storable... I>
  Out<T> plan(std::string_view name, FunctionPtr code, Out<Document> document, Out<I>... in) {
    check_output(name, *code, type_of<T>());
    return {this, add_plan(name, std::move(code),
                           {resolve(document.graph, document.slot, type_of<Document>()),
                            resolve(in.graph, in.slot, type_of<I>())...})};
  }

  /// Errors: kInvalidArgument names the node and says what is wrong; see check().
  template <Storable T>
  Result<Program<T>> build(Out<T> result, const BodyLimits& limits = {}) {
    WEFT_TRY(body, finish(resolve(result.graph, result.slot, type_of<T>()), limits));
    return Program<T>::from(AnyProgram(std::move(body)));
  }

 private:
  friend class file::Reader;

  Graph(Graph* parent, std::string_view name)
      : parent_(parent), prefix_(parent->prefix_ + std::string(name) + "/") {}

  Slot add_input(std::string_view name, const Type* type);
  Slot add_code(std::string_view name, FunctionPtr code, const Policy& policy,
                std::vector<Slot> in);
  Slot add_plan(std::string_view name, FunctionPtr code, std::vector<Slot> in);
  void check_output(std::string_view name, const Function& code, const Type* type);
  static Node open(std::string_view name, NodeKind kind, std::vector<Slot> in);
  Slot add(Node node, const Type* type = nullptr);
  /// The slot here of a value of this graph or of one around it, which is handed in.
  Slot resolve(const Graph* graph, Slot slot, const Type* type);
  Result<std::shared_ptr<const Body>> finish(Slot result, const BodyLimits& limits);
  /// Finishes this inside graph as the next one of `node`, a node of its parent.
  void finish_into(Node& node, Slot result, std::size_t own_inputs);
  template <Storable T>
  void finish_into(Node& node, Out<T> result, std::size_t own_inputs = 0) {
    finish_into(node, resolve(result.graph, result.slot, type_of<T>()), own_inputs);
  }

  template <NodeKind kKind, template <typename...> typename Many, Storable T, typename F>
  auto add_map(std::string_view name, Out<std::vector<T>> in, F body) {
    using Element = decltype(value_of(body(*this, Out<T>{})));
    Node node = open(name, kKind, {resolve(in.graph, in.slot, type_of<std::vector<T>>())});
    Graph inside(this, name);
    const Out<T> element = inside.input<T>("element");
    inside.finish_into(node, body(inside, element), 1);
    return Out<Many<Element>>{this, add(std::move(node), type_of<Many<Element>>())};
  }
  template <Storable S, typename F>
  Out<S> add_loop(std::string_view name, Out<S> init, int iterations_max, F body) {
    Node node = open(name, NodeKind::kLoop, {resolve(init.graph, init.slot, type_of<S>())});
    node.iterations_max = iterations_max;
    Graph inside(this, name);
    const Out<S> state = inside.input<S>("state");
    const Out<S> next = body(inside, state);
    inside.finish_into(node, next, 1);
    return {this, add(std::move(node))};
  }
  template <Storable T>
  static T value_of(Out<T>);  // never called

  Graph* parent_ = nullptr;
  std::string prefix_;  // of the names of functions
  Body body_;
  std::optional<Slot> until_;
  struct Captured {
    Slot outer;  // in the parent
    Slot inner;
  };
  std::vector<Captured> captured_;
  std::optional<Error> mistake_;
};

}  // namespace weft::planner
