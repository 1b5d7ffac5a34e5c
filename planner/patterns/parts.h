#pragma once
// A long text in parts: each is put through a graph of its own, side by side, and code or another
// graph makes one of what they give. How wrong the whole may be follows from how wrong a part is;
// error_model.h has the formulas in closed form, `tune()` searches the size of a part.
// Source: Chen et al. 2024, the studies of counting, sorting, retrieval and RAG.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planner/graph.h"
#include "planner/nodes/text.h"
#include "planner/patterns/tree.h"

namespace weft::planner {

/// text to list<text>. Options that split_blocks() refuses fail the node.
FunctionPtr split_blocks_function(const BlockOptions& options);
/// text to the list of its lines that hold something.
FunctionPtr split_lines_function();
/// list<number> to their sum.
FunctionPtr sum_function();
/// text to list<number>: all numbers in it; `in_order`: sorted, whatever order they came in.
FunctionPtr parse_numbers_function(bool in_order);
/// list<list<number>>, each in order, to one list in order.
FunctionPtr merge_sorted_function();
/// list<text> to those that say something: neither blank nor "unknown".
FunctionPtr known_function();
/// A part's size in bytes and, half of it, its neighbours' share: a span of up to half a part is
/// whole in one of them. Below 6 it is taken as 6.
BlockOptions windows(std::size_t bytes);

namespace detail {
using Texts = std::vector<std::string>;

template <typename Body>
auto each_part(Graph& graph, const std::string& name, Out<std::string> text,
               const BlockOptions& options, Body body) {
  const auto parts = graph.call<Texts>(name + " parts", split_blocks_function(options), {}, text);
  return graph.map_each(name + " each", parts, std::move(body));
}
}  // namespace detail

/// count(Graph&, Out<std::string> part) -> Out<double>; the sum over disjoint parts.
/// |error| <= sum of the parts'; for k parts without bias and deviation s: s sqrt(2 k / pi) on
/// average; with a bias b, k |b|. So smaller parts pay where a count's error grows with its length.
template <typename Count>
Out<double> counting(Graph& graph, const std::string& name, Out<std::string> text,
                     const BlockOptions& parts, Count count) {
  const auto counts = detail::each_part(graph, name, text, parts, std::move(count));
  return graph.call<double>(name, sum_function(), {}, counts);
}

/// Numbers, one a line; sort(Graph&, Out<std::string> part) -> Out<std::string>, a text with the
/// part's numbers; a part has at most lines_max of them, 2 or more. Each part is brought into order
/// before they are merged in code, whatever the model did: only so the largest error is <= the
/// largest of a part, and the summed one <= the sum.
template <typename Sort>
Out<std::vector<double>> sorting(Graph& graph, const std::string& name, Out<std::string> text,
                                 std::size_t lines_max, Sort sort) {
  const auto lines = graph.call<detail::Texts>(name + " lines", split_lines_function(), {}, text);
  const auto parts = graph.call<detail::Texts>(
      name + " parts", group_function({.fan_in = lines_max, .separator = "\n"}), {}, lines);
  const auto sorted =
      graph.map_each(name + " each", parts, [&](Graph& inside, Out<std::string> part) {
        return inside.call<std::vector<double>>("in order", parse_numbers_function(true), {},
                                                sort(inside, part));
      });
  return graph.call<std::vector<double>>(name, merge_sorted_function(), {}, sorted);
}

/// ask(Graph&, Out<std::string> window) -> Out<std::string>: the answer, or "unknown". Windows
/// share half with the next, so that a needle of up to half a window is whole in one; those that
/// know vote. With J <= 2 of k windows that hold it, recall r and false alarms h each, N = k - J,
/// it errs with (1-r)^J + J r (1-r)^(J-1) [1 - (1-(1-h)^(N+1)) / ((N+1) h)]; where there is none,
/// 1 - (1-h)^k. A model that only misses wants small windows, one that also invents has an optimum.
/// Errors when run: kNotFound if no window knows.
template <typename Ask>
Out<std::string> needle(Graph& graph, const std::string& name, Out<std::string> text,
                        std::size_t window_bytes, Ask ask, FunctionPtr vote) {
  const auto said = detail::each_part(graph, name, text, windows(window_bytes), std::move(ask));
  const auto known = graph.call<detail::Texts>(name + " known", known_function(), {}, said);
  return graph.call<std::string>(name, std::move(vote), {}, known);
}

/// Facts from everywhere, then one answer: read(Graph&, Out<std::string> window) ->
/// Out<std::string>, what the window says to the matter or "unknown";
/// write(Graph&, Out<std::string> notes) -> Out<std::string>. A fact is in two windows, so with F
/// facts, recall r and an error g of the writer, the answer is wrong with
/// 1 - (1-(1-r)^2)^F (1-g), and the share of facts that are missing is (1-r)^2.
template <typename Read, typename Write>
Out<std::string> facts(Graph& graph, const std::string& name, Out<std::string> text,
                       std::size_t window_bytes, Read read, Write write) {
  const auto said = detail::each_part(graph, name, text, windows(window_bytes), std::move(read));
  const auto known = graph.call<detail::Texts>(name + " known", known_function(), {}, said);
  const auto notes = graph.call<std::string>(name + " notes", join_function("\n"), {}, known);
  return write(graph, notes);
}

/// A text in one: note(Graph&, Out<std::string> part) -> Out<std::string> on each part, then
/// merge(Graph&, Out<std::string> group) -> Out<std::string> level by level. k parts cost k notes
/// and about k / (fan_in - 1) merges, ceil(log k / log fan_in) levels deep. With an error e a node
/// that a parent passes on with weight S: e ((b S)^(d+1) - 1) / (b S - 1) at the root, b the
/// fan_in.
template <typename Note, typename Merge>
Out<std::string> map_reduce(Graph& graph, const std::string& name, Out<std::string> text,
                            const BlockOptions& parts, const TreeOptions& options, Note note,
                            Merge merge) {
  const auto notes = detail::each_part(graph, name, text, parts, std::move(note));
  return tree(graph, name, notes, options, std::move(merge));
}

}  // namespace weft::planner
