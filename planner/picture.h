#pragma once
// A graph as text that draws it: Mermaid's flowchart, Graphviz's digraph; with what a run did at
// each node, if that is given.

#include <map>
#include <string>

#include "planner/body.h"

namespace weft::planner {

/// What stands under a node's name, by path without indices, such as "each/count". Those of paths
/// inside a plan, whose steps the program doesn't know, become boxes of their own.
using Captions = std::map<std::string, std::string, std::less<>>;

std::string mermaid(const Body& body, const Captions& captions = {});
std::string dot(const Body& body, const Captions& captions = {});

}  // namespace weft::planner
