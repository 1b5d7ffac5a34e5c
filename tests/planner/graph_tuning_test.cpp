// What a graph's file lets tune, and what judged runs say of it.

#include "planner/graph_tuning.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "planner/error_model.h"

namespace weft::planner {
namespace {

const std::string kFile = R"({"format": "weft-graph-1", "nodes": [
  {"name": "parts", "kind": "split_blocks", "bytes_max": 40, "overlap": 10, "inputs": ["x"]},
  {"name": "m", "kind": "map", "over": "parts", "nodes": [{"name": "p", "kind": "llm", "samples": 3}]}],
  "tune": {"size": {"node": "parts", "option": "bytes_max", "values": [80, 20, 20]},
           "overlap": {"node": "parts", "option": "overlap", "values": [0, 25]},
           "votes": {"node": "p", "option": "samples", "values": [3, 5]},
           "workers": {"values": [1, 2]}}})";

TEST_CASE("a setting goes into the nodes that it is of, and is read back from them") {
  const auto tuning = graph_tuning(kFile);
  REQUIRE(tuning);
  REQUIRE(*tuning);
  const SearchSpace space = (*tuning)->space();
  CHECK(space.sizes == std::vector<std::int64_t>{20, 80});
  CHECK(space.overlaps_percent == std::vector<std::int64_t>{0, 25});
  CHECK(space.workers == std::vector<std::int64_t>{1, 2});
  CHECK(setting_of(kFile, **tuning) == Setting{.size = 40, .overlap_percent = 25, .votes = 3});
  const Setting other{.size = 80, .overlap_percent = 25, .votes = 5};
  const auto changed = with_setting(kFile, **tuning, other);
  REQUIRE(changed);
  const auto json = nlohmann::json::parse(*changed);
  CHECK(json["nodes"][0]["bytes_max"] == 80);
  CHECK(json["nodes"][0]["overlap"] == 20);  // 25 % of it
  CHECK(json["nodes"][1]["nodes"][0]["samples"] == 5);
  CHECK(setting_of(*changed, **tuning) == other);
}

TEST_CASE("what is wrong in \"tune\" is said, and where") {
  const auto error = [](const std::string& tune) {
    const auto read = graph_tuning(R"({"nodes": [], "tune": )" + tune + "}");
    return read ? std::string() : read.error().message;
  };
  CHECK(error(R"({"sise": {}})").find("sise") != std::string::npos);
  CHECK(error(R"({"size": {"node": "a", "option": "b", "values": []}})").find("\"size\"") !=
        std::string::npos);
  CHECK(
      error(R"({"overlap": {"node": "a", "option": "b", "values": [100]}})").find("from 0 to 99") !=
      std::string::npos);
  CHECK(error(R"({"error": "bad"})").find("wrong or distance") != std::string::npos);
  CHECK(error("{}").empty());
  const auto tuning = graph_tuning(
      R"({"nodes": [], "tune": {"size": {"node": "a", "option": "b", "values": [1]}}})");
  const auto changed = with_setting(R"({"nodes": []})", **tuning, {});
  CHECK(changed.error().message.find("no node a") != std::string::npos);
  CHECK_FALSE(*graph_tuning(R"({"nodes": []})"));
}

TEST_CASE("errors are those of judged runs, between their sizes and by majority") {
  StatsBook book;
  book.judgement(100, 0, 1).judged = {.with_answer = 10, .right = 9};
  book.judgement(400, 0, 1).judged = {.with_answer = 10, .right = 5};
  const GraphTuning tuning;
  const auto error = [&](std::int64_t size, std::int64_t overlap, std::int64_t votes) {
    return judged_error(book, tuning, {.size = size, .overlap_percent = overlap, .votes = votes});
  };
  CHECK(*error(100, 0, 1) == Approx(0.1));
  CHECK(*error(200, 0, 1) == Approx(0.3));  // half way by logarithm
  CHECK(*error(50, 0, 1) == Approx(0.1));
  CHECK(*error(900, 0, 1) == Approx(0.5));
  CHECK(*error(100, 0, 3) == Approx(1 - majority_right(3, 0.9)));
  CHECK_FALSE(error(100, 50, 1));
  book.judgement(100, 0, 1).judged.add_error(-2);
  CHECK(*judged_error(book, {.is_distance = true}, {.size = 100}) == Approx(2));
}

}  // namespace
}  // namespace weft::planner
