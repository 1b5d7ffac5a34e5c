#include "planner/plans/reference.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

namespace weft::planner {
namespace {

using Json = nlohmann::json;

const std::map<std::string, Json> kValues = {
    {"1", "one"}, {"10", "ten"}, {"a", Json::parse(R"({"list": [7, {"k": "$1"}]})")}, {"n", 2.5}};

Json filled(const Json& json) {
  const auto made =
      fill_references(json, [](const std::string& id) -> const Json& { return kValues.at(id); });
  return made ? *made : Json("error: " + made.error().message);
}

TEST_CASE("$10 is step 10, and several references fill one text") {
  CHECK(filled("$10") == "ten");
  CHECK(filled("$1 and $10") == "one and ten");
  CHECK(filled("$10$1") == "tenone");
  CHECK(filled("${1}0") == "one0");
  CHECK(filled("$1. $n!") == "one. 2.5!");
}

TEST_CASE("a reference alone gives the value, with a pointer a part of it, at any depth") {
  CHECK(filled("$n") == 2.5);
  CHECK(filled("${a/list/0}") == 7);
  CHECK(filled({{"x", {"$n", "${a/list}"}}, {"y", true}}) ==
        Json({{"x", {2.5, kValues.at("a")["list"]}}, {"y", true}}));
  CHECK(filled("see ${a/list}") == R"(see [7,{"k":"$1"}])");
  // What is put in isn't looked through again: a value can't refer to anything.
  CHECK(filled("${a/list/1/k}") == "$1");
  CHECK(filled("${a/no}") == R"(error: there is no /no in what a gave: {"list":[7,{"k":"$1"}]})");
  CHECK(filled("${a/list/x}").get<std::string>().starts_with("error: there is no /list/x"));
}

TEST_CASE("dollar signs that refer to nothing stand as they are, or are doubled") {
  CHECK(filled("$$1 costs $ 5, $") == "$1 costs $ 5, $");
  CHECK(filled("$$$1") == "$one");
  CHECK(plan_pieces("")->empty());
  for (const char* text : {"${", "${}", "${/a}", "${1", "${a b}", "${a/~x}", "x ${1.a}"}) {
    INFO(text);
    CHECK_FALSE(plan_pieces(text));
  }
}

TEST_CASE("references are found in order") {
  const auto found = plan_references({{"a", "$x ${y/0}"}, {"b", {1, "$z"}}});
  REQUIRE(found);
  CHECK(*found == std::vector<PlanReference>{{"x", ""}, {"y", "/0"}, {"z", ""}});
}

}  // namespace
}  // namespace weft::planner
