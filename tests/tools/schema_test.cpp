#include "tools/schema.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace weft::tools {
namespace {

using Json = nlohmann::json;

std::string refusal(const char* schema, const char* value) {
  const auto checked = Schema::parse(Json::parse(schema)).value().check(Json::parse(value));
  return checked ? "" : checked.error().message;
}

std::string mistake(const char* schema) {
  const auto parsed = Schema::parse(Json::parse(schema));
  return parsed ? "" : parsed.error().message;
}

TEST_CASE("a value is checked against each keyword, and the message says where") {
  constexpr const char* kSearch = R"({
    "type": "object", "required": ["query"], "additionalProperties": false,
    "properties": {"query": {"type": "string", "minLength": 1, "maxLength": 3},
                   "k": {"type": "integer", "minimum": 1, "maximum": 9},
                   "in": {"type": "array", "maxItems": 2, "items": {"enum": ["a", "b"]}}}})";
  CHECK(refusal(kSearch, R"({"query": "x", "k": 9, "in": ["a", "b"]})").empty());
  CHECK(refusal(kSearch, R"({"query": "x", "k": 2.0})").empty());  // 2.0 is an integer
  CHECK(refusal(kSearch, R"([])") == "the value has to be of type object, not []");
  CHECK(refusal(kSearch, R"({"k": 1})") == "the value has no \"query\", which is required");
  CHECK(refusal(kSearch, R"({"query": 7})") == "/query has to be of type string, not 7");
  CHECK(refusal(kSearch, R"({"query": ""})") == "/query has to be at least 1 characters, not 0");
  CHECK(refusal(kSearch, "{\"query\": \"\xC3\xA4\xC3\xA4\xC3\xA4\"}").empty());
  CHECK(refusal(kSearch, R"({"query": "abcd"})") == "/query has to be at most 3 characters, not 4");
  CHECK(refusal(kSearch, R"({"query": "x", "k": 10})") == "/k has to be at most 9, not 10");
  CHECK(refusal(kSearch, R"({"query": "x", "k": 1.5})") == "/k has to be of type integer, not 1.5");
  CHECK(refusal(kSearch, R"({"query": "x", "in": ["a", "c"]})") ==
        "/in/1 has to be one of [\"a\",\"b\"], not \"c\"");
  CHECK(refusal(kSearch, R"({"query": "x", "in": ["a", "a", "a"]})") ==
        "/in has to be at most 2 items, not 3");
  CHECK(refusal(kSearch, R"({"query": "x", "kk": 1})") ==
        "the value may have no \"kk\"; did you mean \"k\"?");
  CHECK(refusal(R"({"type": ["string", "null"]})", "null").empty());
}

TEST_CASE("numbers beyond 2^63 are large, not negative") {
  constexpr const char* kHuge = "18446744073709551615";
  CHECK(refusal(R"({"minimum": -9223372036854775808})", kHuge).empty());
  CHECK(refusal(R"({"minimum": 1})", kHuge).empty());
  CHECK(refusal(R"({"maximum": 10})", kHuge) ==
        "the value has to be at most 10, not 18446744073709551615");
  CHECK(refusal(R"({"maximum": 18446744073709551615})", kHuge).empty());
  CHECK(refusal(R"({"minimum": 18446744073709551615})", "18446744073709551614") != "");
  CHECK(refusal(R"({"enum": [-1]})", kHuge) != "");
  CHECK(refusal(R"({"enum": [1]})", "1.0").empty());
}

TEST_CASE("a schema that can't be checked in full is refused") {
  CHECK(mistake(R"({"type": "objekt"})") ==
        "schema: /type: there is no type \"objekt\"; did you mean \"object\"?");
  CHECK(mistake(R"({"properties": {"a": {"pattern": "x"}}})")
            .starts_with("schema: /properties/a/pattern: the keyword isn't supported"));
  CHECK(mistake(R"({"$ref": "#"})").starts_with("schema: /$ref: the keyword isn't supported"));
  CHECK(mistake(R"({"additionalProperties": {}})") ==
        "schema: /additionalProperties: only true and false are supported");
  CHECK(mistake(R"({"required": ["a"]})") == "schema: /required: \"a\" isn't among the properties");
  for (const char* schema :
       {"[]", "7", R"({"type": []})", R"({"type": 7})", R"({"enum": []})", R"({"items": [{}]})",
        R"({"minLength": -1})", R"({"minLength": 1.5})", R"({"minimum": "1"})",
        R"({"properties": []})", R"({"required": [7]})", R"({"required": {}})"}) {
    INFO(schema);
    CHECK_FALSE(mistake(schema).empty());
  }
}

}  // namespace
}  // namespace weft::tools
