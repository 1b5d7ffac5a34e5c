#include "planner/positions.h"

namespace weft::planner {
namespace {

void gather(const Body& body, std::ptrdiff_t around, std::size_t which,
            std::vector<Position>& found) {
  for (std::uint32_t n = 0; n < body.nodes.size(); ++n) {
    const Node& node = body.nodes[n];
    std::string path = node.name;
    if (around >= 0) {
      // As in Frame::path(): the one node of a map() has the map's name.
      const Position& outer = found[static_cast<std::size_t>(around)];
      const bool is_it = body.nodes.size() == 1 && node.name == outer.what().name;
      path = is_it ? outer.path : outer.path + "/" + node.name;
    }
    const auto place = static_cast<std::ptrdiff_t>(found.size());
    found.push_back({std::move(path), &body, n, around, which});
    for (std::size_t b = 0; b < node.bodies.size(); ++b) gather(*node.bodies[b], place, b, found);
  }
}

}  // namespace

std::vector<Position> positions(const Body& body) {
  std::vector<Position> found;
  gather(body, -1, 0, found);
  return found;
}

std::string without_indices(std::string_view path) {
  std::string plain;
  for (std::size_t i = 0; i < path.size();) {
    if (path[i] == '[') {
      const std::size_t end = path.find_first_not_of("0123456789", i + 1);
      const bool is_index = end != std::string_view::npos && end > i + 1 && path[end] == ']' &&
                            (end + 1 == path.size() || path[end + 1] == '/');
      if (is_index) {
        i = end + 1;
        continue;
      }
    }
    plain += path[i++];
  }
  return plain;
}

std::string function_key(const Node& node) {
  if (node.policy.version == 1) return node.function;
  return node.function + "@" + std::to_string(node.policy.version);
}

}  // namespace weft::planner
