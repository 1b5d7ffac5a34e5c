#pragma once
// Where a program's nodes are: the paths of their runs without indices, so that what runs have
// shown of refine[0]/fix and refine[1]/fix is known of refine/fix.

#include <string>
#include <string_view>
#include <vector>

#include "planner/body.h"

namespace weft::planner {

struct Position {
  std::string path;
  const Body* body = nullptr;
  std::uint32_t node = 0;
  /// Of the node around it: its place in positions(), and which of its graphs this is in; -1 at the
  /// top.
  std::ptrdiff_t around = -1;
  std::size_t which = 0;

  const Node& what() const { return body->nodes[node]; }
};

/// All nodes, each behind the one that it is inside of. Borrows `body`.
std::vector<Position> positions(const Body& body);

/// "a[2]/m[0]/x" -> "a/m/x".
std::string without_indices(std::string_view path);

/// What a node's code is known by: its name, and "@version" if that isn't 1.
std::string function_key(const Node& node);

}  // namespace weft::planner
