// Nodes with graphs inside, and those that stand for several nodes.

#include <nlohmann/json.hpp>

#include "planner/graph_file_reader.h"
#include "planner/patterns/tree.h"

namespace weft::planner::file {
namespace {

constexpr std::int64_t kIterationsMax = 10'000;
constexpr std::int64_t kFanInMax = 1000;

}  // namespace

Result<const Type*> Reader::read_inside(const Place& place, Node& node,
                                        const std::string& inner_name, const Json& json,
                                        const std::string& as, const Type* own) {
  Graph inside(&place.graph(), inner_name);
  NamesHere names{&inside, &place.names, {}};
  if (own != nullptr) WEFT_TRY_VOID(define(names, as, inside.add_input(as, own), own));
  WEFT_TRY(result, read_nodes(json, names, place.depth + 1));
  if (json.contains("until")) {
    WEFT_TRY(until, find_key(names, json, "until", Json::array()));
    if (until.type != type_of<bool>()) {
      return wrong("\"until\" has to be a bool, not of type " + until.type->name);
    }
    inside.until_ = until.slot;
  }
  inside.finish_into(node, result.slot, own != nullptr ? 1 : 0);
  if (place.graph().mistake_) return *place.graph().mistake_;
  return result.type;
}

Result<void> Reader::close(const Place& place, const std::string& name, Node node,
                           const Type* type) {
  const Slot slot = place.graph().add(std::move(node), type);
  return define(place.names, name, slot, type);
}

Result<void> Reader::read_map(const Place& place) {
  const Json& json = place.json;
  WEFT_TRY_VOID(only(json, {"name", "kind", "about", "over", "as", "nodes", "result", "on_error"}));
  WEFT_TRY(over, find_key(place.names, json, "over", place.nodes));
  WEFT_TRY(as, text(json, "as"));
  WEFT_TRY(on_error, text_or(json, "on_error", "fail"));
  if (on_error != "fail" && on_error != "skip") return wrong("\"on_error\" is fail or skip");
  if (over.type->kind != Type::Kind::kList) {
    return wrong("\"over\" has to be a list, not of type " + over.type->name);
  }
  const bool skips = on_error == "skip";
  const std::string name = skips ? place.name + " parts" : place.name;
  Node node = Graph::open(name, skips ? NodeKind::kCollect : NodeKind::kMap, {over.slot});
  WEFT_TRY(element, read_inside(place, node, name, json, as, over.type->element));
  WEFT_TRY(list, list_of(element));
  if (!skips) return close(place, name, std::move(node), list);
  WEFT_TRY(partial, partial_of(element));
  WEFT_TRY_VOID(close(place, name, std::move(node), partial));
  const Named parts = place.names.here.at(name);
  WEFT_TRY_VOID(add_code(place, place.name, values_function(partial, list), {}, {parts}));
  return {};
}

Result<void> Reader::read_tree(const Place& place) {
  const Json& json = place.json;
  WEFT_TRY_VOID(only(
      json, {"name", "kind", "about", "over", "as", "nodes", "result", "fan_in", "separator"}));
  WEFT_TRY(over, find_key(place.names, json, "over", place.nodes));
  WEFT_TRY(as, text(json, "as"));
  WEFT_TRY(fan_in, integer_or(json, "fan_in", 4, 2, kFanInMax));
  WEFT_TRY(separator, text_or(json, "separator", "\n\n"));
  using Texts = std::vector<std::string>;
  if (over.type != type_of<Texts>()) {
    return wrong("\"over\" has to be of type list<text>, not " + over.type->name);
  }
  const std::string levels = place.name + " levels";
  Node loop = Graph::open(levels, NodeKind::kLoop, {over.slot});
  loop.iterations_max = kTreeLevelsMax;
  {
    Graph inside(&place.graph(), levels);
    NamesHere names{&inside, &place.names, {}};
    const Slot texts = inside.add_input("texts", type_of<Texts>());
    const TreeOptions options{static_cast<std::size_t>(fan_in), separator};
    const Slot groups = inside.add_code("groups", group_function(options), {}, {texts});
    Node map = Graph::open("level", NodeKind::kMap, {groups});
    const Place inner{json, place.nodes, names, place.name, place.depth + 1};
    WEFT_TRY(element, read_inside(inner, map, "level", json, as, type_of<std::string>()));
    if (element != type_of<std::string>()) {
      return wrong("\"result\" has to be a text, not of type " + element->name);
    }
    const Slot level = inside.add(std::move(map), type_of<Texts>());
    inside.until_ = inside.add_code("is one", is_one_function(), {}, {level});
    inside.finish_into(loop, level, 1);
    if (place.graph().mistake_) return *place.graph().mistake_;
  }
  WEFT_TRY_VOID(close(place, levels, std::move(loop), type_of<Texts>()));
  WEFT_TRY_VOID(
      add_code(place, place.name, only_text_function(), {}, {place.names.here.at(levels)}));
  return {};
}

Result<void> Reader::read_loop(const Place& place) {
  const Json& json = place.json;
  WEFT_TRY_VOID(only(
      json, {"name", "kind", "about", "from", "as", "nodes", "result", "until", "iterations_max"}));
  WEFT_TRY(from, find_key(place.names, json, "from", place.nodes));
  WEFT_TRY(as, text(json, "as"));
  if (!json.contains("iterations_max")) return wrong("\"iterations_max\" is missing");
  WEFT_TRY(iterations, integer_or(json, "iterations_max", 1, 1, kIterationsMax));
  Node node = Graph::open(place.name, NodeKind::kLoop, {from.slot});
  node.iterations_max = static_cast<int>(iterations);
  WEFT_TRY(type, read_inside(place, node, place.name, json, as, from.type));
  return close(place, place.name, std::move(node), type);
}

Result<void> Reader::read_branch(const Place& place) {
  const Json& json = place.json;
  WEFT_TRY_VOID(only(json, {"name", "kind", "about", "if", "then", "else"}));
  WEFT_TRY(condition, find_key(place.names, json, "if", place.nodes));
  if (condition.type != type_of<bool>()) {
    return wrong("\"if\" has to be a bool, not of type " + condition.type->name);
  }
  Node node = Graph::open(place.name, NodeKind::kBranch, {condition.slot});
  const Type* type = nullptr;
  for (const char* side : {"then", "else"}) {
    if (!json.contains(side)) return wrong("\"" + std::string(side) + "\" is missing");
    WEFT_TRY_VOID(only(json[side], {"nodes", "result"}));
    WEFT_TRY(given, read_inside(place, node, place.name + "/" + side, json[side], "", nullptr));
    if (type != nullptr && given != type) {
      return wrong("\"then\" gives " + type->name + ", but \"else\" gives " + given->name);
    }
    type = given;
  }
  return close(place, place.name, std::move(node), type);
}

Result<void> Reader::read_scope(const Place& place) {
  const Json& json = place.json;
  WEFT_TRY_VOID(only(json, {"name", "kind", "about", "budget", "nodes", "result"}));
  if (!json.contains("budget")) return wrong("\"budget\" is missing");
  WEFT_TRY(limits, budget(json["budget"]));
  Node node = Graph::open(place.name, NodeKind::kScope, {});
  node.limit = limits.limit;
  node.wall_time = limits.wall_time;
  WEFT_TRY(type, read_inside(place, node, place.name, json, "", nullptr));
  return close(place, place.name, std::move(node), type);
}

Result<void> Reader::read_ask(const Place& place) {
  const Json& json = place.json;
  WEFT_TRY_VOID(only(json, {"name", "kind", "about", "question", "type"}));
  WEFT_TRY(question, find_key(place.names, json, "question", place.nodes));
  if (question.type != type_of<std::string>()) {
    return wrong("\"question\" has to be a text, not of type " + question.type->name);
  }
  WEFT_TRY(type_name, text_or(json, "type", "text"));
  WEFT_TRY(type, graph_type(type_name));
  return close(place, place.name, Graph::open(place.name, NodeKind::kAsk, {question.slot}), type);
}

}  // namespace weft::planner::file
