#pragma once
// Texts into one, level by level: groups of `fan_in` are joined and put through a graph each, side
// by side, until one text is left. What a group's graph gives should be shorter than what it gets.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planner/graph.h"

namespace weft::planner {

struct TreeOptions {
  std::size_t fan_in = 4;  // >= 2
  std::string separator = "\n\n";
};

/// More levels than any list has.
inline constexpr int kTreeLevelsMax = 32;

/// A list of texts to their groups. Less than 2 is taken as 2, so that a level is shorter than the
/// one before.
FunctionPtr group_function(const TreeOptions& options);
/// list<text> to bool: whether no level has to follow.
FunctionPtr is_one_function();
/// list<text> to its only text. Errors when run: kInvalidArgument if there are none or several.
FunctionPtr only_text_function();

/// merge(Graph&, Out<std::string> group) -> Out<std::string>. It is run once at least, for a list
/// of one text too; an empty list is an error. Adds the nodes `name` and `name` + " levels".
template <typename Merge>
Out<std::string> tree(Graph& graph, std::string_view name, Out<std::vector<std::string>> texts,
                      const TreeOptions& options, Merge merge) {
  using Texts = std::vector<std::string>;
  const auto level = [&](Graph& inside, Out<Texts> before) {
    const auto groups = inside.call<Texts>("groups", group_function(options), {}, before);
    return inside.map_each("level", groups, std::move(merge));
  };
  const auto is_last = [](Ctx&, const Texts& made) { return made.size() <= 1; };
  const auto levels =
      graph.loop(std::string(name) + " levels", texts, level, is_last, kTreeLevelsMax);
  return graph.call<std::string>(name, only_text_function(), {}, levels);
}

}  // namespace weft::planner
