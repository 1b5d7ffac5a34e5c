#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "planner/graph_file.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Text = std::string;

/// The value of the last of these nodes, which read the text "text".
Json run(const Text& nodes, const Text& text) {
  const Text last = Json::parse(nodes).back()["name"].dump();
  const auto loaded =
      load_graph(R"({"format": "weft-graph-1", "inputs": [{"name": "text"}], "nodes": )" + nodes +
                     R"(, "result": )" + last + "}",
                 {});
  if (!loaded) return loaded.error().message;
  VirtualExecutor executor;
  auto run = Runtime(executor).run_any(loaded->program, Inputs().set("text", text), {});
  if (!run) return run.error().message;
  const auto value = run->wait_value();
  return value ? to_json(*value) : Json(value.error().message);
}

TEST_CASE("files fold lists, and go on from an earlier value") {
  const Text numbers = R"([{"name": "n", "kind": "parse_numbers", "inputs": ["text"]},)";
  CHECK(run(numbers + R"({"name": "max", "kind": "fold", "with": "max", "inputs": ["n"]}])",
            "3, -7.5 and 4") == 4);
  CHECK(run(numbers + R"({"name": "a", "kind": "fold", "with": "sum", "inputs": ["n"]},
                         {"name": "b", "kind": "fold", "with": "sum", "inputs": ["a", "n"]}])",
            "1 2") == 6);
  CHECK(run(numbers + R"({"name": "a", "kind": "fold", "with": "smu", "inputs": ["n"]}])", "") ==
        "node a: there is no fold smu; did you mean \"sum\"?");
  CHECK(run(R"([{"name": "a", "kind": "fold", "with": "count", "inputs": ["text"]}])", "") ==
        "node a: it goes over a list, not a value of type text");
}

TEST_CASE("files sort in parts, drop what isn't known, vote until it is decided, and judge") {
  CHECK(run(R"([{"name": "lines", "kind": "split_lines", "inputs": ["text"]},
    {"name": "parts", "kind": "group", "size": 2, "inputs": ["lines"]},
    {"name": "each", "kind": "map", "over": "parts", "as": "part", "result": "n", "nodes": [
      {"name": "n", "kind": "parse_numbers", "in_order": true, "inputs": ["part"]}]},
    {"name": "all", "kind": "merge_sorted", "inputs": ["each"]}])",
            "5\n4\n9\n-1\n0.5") == Json({-1, 0.5, 4, 5, 9}));
  CHECK(run(R"([{"name": "lines", "kind": "split_lines", "inputs": ["text"]},
    {"name": "said", "kind": "known", "inputs": ["lines"]}])",
            "Unknown.\nyes\n") == Json({"yes"}));
  CHECK(run(R"([{"name": "none", "kind": "list", "inputs": []},
    {"name": "samples", "kind": "loop", "from": "none", "as": "before", "iterations_max": 9,
     "result": "more", "until": "enough", "nodes": [
      {"name": "more", "kind": "append", "inputs": ["before", "text"]},
      {"name": "enough", "kind": "decided", "lead": 2, "inputs": ["more"]}]}])",
            "yes") == Json({"yes", "yes"}));
  CHECK(run(R"([{"name": "s", "kind": "scores", "inputs": ["text"]}])", "9 4\nwhy") ==
        Json({9, 4}));
  CHECK(run(R"([{"name": "v", "kind": "verdict", "inputs": ["text", "text"]}])", "9 4") == "tie");
}

TEST_CASE("the example graphs can be read") {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/examples/graphs")) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path());
    const Text text((std::istreambuf_iterator<char>(file)), {});
    GraphParts parts;
    parts.folder = entry.path().parent_path();
    const auto loaded = load_graph(text, parts);
    INFO(entry.path() << ": " << (loaded ? "" : loaded.error().message));
    CHECK(loaded);
    ++count;
  }
  CHECK(count >= 8);
}

}  // namespace
}  // namespace weft::planner
