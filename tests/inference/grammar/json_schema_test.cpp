#include "inference/grammar/json_schema.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "inference/grammar/automaton.h"
#include "tests/fakes/naive_grammar.h"

namespace weft::inference::grammar {
namespace {

void check(std::string_view schema, std::initializer_list<std::string_view> valid,
           std::initializer_list<std::string_view> invalid) {
  CAPTURE(schema);
  const auto grammar = read_json_schema(schema);
  if (!grammar) FAIL(grammar.error().message);
  REQUIRE(compile(*grammar));
  fakes::NaiveGrammar naive(*grammar);
  for (const auto text : valid) {
    CAPTURE(text);
    CHECK(naive.accepts(text));
  }
  for (const auto text : invalid) {
    CAPTURE(text);
    CHECK_FALSE(naive.accepts(text));
  }
}

TEST_CASE("objects have their members in order, optional ones left out") {
  check(R"({"properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},
            "required":["b"]})",
        {R"({"b":null})", R"({"a":null,"b":null})", R"({"b": null, "c": null})"},
        {"{}", R"({"a":null})", R"({"b":null,"a":null})", R"({"b":null,})", R"({,"b":null})"});
  check(R"({"type":"object","properties":{"ab":{"type":"null"}},"additionalProperties":
            {"type":"boolean"}})",
        {"{}", R"({"ab":null})", R"({"a":true,"abc":false})", R"({"ab":null,"x\n":true})"},
        {R"({"ab":true})", R"({"a":null})", R"({"\u0061b":true})"});
}

TEST_CASE("lengths count code points, and escapes are one each") {
  check(R"({"type":"string","minLength":1,"maxLength":2})",
        {R"("a")", "\"\xF0\x9F\x98\x80\xC3\xA9\"", R"("\ud83d\ude00\n")"},
        {R"("")", R"("abc")", R"("\ud83d")", "\"\n\"", "\"\xFF\"", R"("\x")"});
}

TEST_CASE("numbers keep to their bounds") {
  check(R"({"type":"integer","minimum":-3,"exclusiveMaximum":120})",
        {"-3", "-1", "0", "9", "99", "119"}, {"-4", "-0", "00", "120", "1.0", "200", "+1"});
  check(R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.25", "1", "1.0"},
        {"-0.5", "1.01", "1.", ".5", "2", "1e0"});
  check(R"({"type":"number","exclusiveMinimum":-2,"exclusiveMaximum":0})", {"-1.99", "-0.5", "-1"},
        {"-2", "0", "-0", "-0.0", "-2.0", "1"});
  check(R"({"type":"number"})", {"-0.5e+10", "12", "0"}, {"01", "1.e5", "--1", "NaN"});
}

TEST_CASE("arrays count their items") {
  check(R"({"items":{"type":"null"},"minItems":1,"maxItems":2})", {"[null]", "[null, null]"},
        {"[]", "[null,null,null]", "[null,]"});
  check(R"({"prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1})",
        {"[1]", "[1,2]", "[1,2,3,3]"}, {"[]", "[2]", "[1,3]"});
}

TEST_CASE("patterns, formats, constants and references hold") {
  check(R"({"type":"string","pattern":"^a\"[0-9]{2}$"})", {R"("a\"12")"},
        {R"("a"12")", R"("a\"1")"});
  check(R"({"type":"string","pattern":"b"})", {R"("b")", R"("abc")", R"("\nb")"}, {R"("ac")"});
  check(R"({"format":"date","type":"string"})", {R"("2024-02-29")", R"("1999-12-31")"},
        {R"("2023-02-29")", R"("2024-13-01")", R"("2024-04-31")", R"("1900-02-29")"});
  check(R"({"enum":["x",1,null,{"a":[1]}],"type":["string","null","object"]})",
        {R"("x")", "null", R"({"a":[1]})"}, {"1"});
  check(R"({"$ref":"#/$defs/a~1b","$defs":{"a/b":{"items":{"$ref":"#"}}}})", {"[[],[[]]]"}, {"1"});
  check(R"({"oneOf":[{"type":"string"},{"properties":{"k":{"const":1}},"required":["k"],
            "type":"object"}]})",
        {R"("x")", R"({"k":1})"}, {"{}", "1"});
  check(R"({"allOf":[{"properties":{"a":{"const":1}}},{"required":["a"]}]})", {R"({"a":1})"},
        {"{}"});
}

TEST_CASE("what isn't supported is an error that names the keyword and its place") {
  const auto refusal = [](std::string_view schema) {
    CAPTURE(schema);
    const auto grammar = read_json_schema(schema);
    REQUIRE_FALSE(grammar);
    CHECK(grammar.error().code == ErrorCode::kUnsupported);
    return grammar.error().message;
  };
  const auto names = [&](std::string_view schema, const char* keyword, const char* place) {
    const std::string message = refusal(schema);
    CAPTURE(message);
    CHECK(message.find(keyword) != std::string::npos);
    CHECK(message.find(place) != std::string::npos);
  };
  names(R"({"properties":{"a/b":{"not":{}}}})", "\"not\"", "#/properties/a~1b");
  names(R"({"items":{"if":{}}})", "\"if\"", "#/items");
  names(R"({"type":"array","uniqueItems":true})", "\"uniqueItems\"", "#");
  names(R"({"type":"number","multipleOf":3})", "\"multipleOf\"", "#");
  names(R"({"type":"string","format":"color"})", "\"color\"", "#");
  names(R"({"type":"string","pattern":"(?=a)b"})", "look-around", "#/pattern");
  names(R"({"oneOf":[{"type":"number"},{"type":"integer"}]})", "\"oneOf\"", "#/oneOf");
  names(R"({"allOf":[{"minLength":1},{"minLength":2}]})", "\"minLength\"", "#/allOf/1");
  names(R"({"$ref":"other.json"})", "\"$ref\"", "#");
}

TEST_CASE("what no value fulfils, or only one without an end, is refused") {
  const auto grammar = read_json_schema(
      R"({"$ref":"#/$defs/a","$defs":{"a":{"properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}}})");
  REQUIRE(grammar);
  CHECK_FALSE(compile(*grammar));
  CHECK_FALSE(compile(*read_json_schema("false")));
  CHECK_FALSE(compile(*read_json_schema(R"({"$ref":"#"})")));
}

}  // namespace
}  // namespace weft::inference::grammar
