#include "tools/json_text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace weft::tools {
namespace {

TEST_CASE("JSON that would lose or hide something is refused, with the place") {
  CHECK(parse_json(R"({"a": [1, {"b": null}]})").value()["a"][1]["b"].is_null());
  CHECK(parse_json("{\"a\": 1, \"a\": 2}").error().message == "the key \"a\" is given twice");
  CHECK(parse_json("{\"a\": ").error().message == "it isn't valid JSON from byte 7 on");
  CHECK(parse_json("").error().code == ErrorCode::kInvalidArgument);
  CHECK(parse_json("1e999").error().message == "a number is too large for JSON's 64 bits");
  CHECK(parse_json("\"\xFF\"").error().code == ErrorCode::kInvalidArgument);
  CHECK(parse_json(std::string(64, '[') + std::string(64, ']')));
  for (const std::size_t depth : {65, 1'000'000}) {  // closed or not
    CHECK(parse_json(std::string(depth, '[')).error().message ==
          "there are more than 64 values inside one another");
  }
}

TEST_CASE("a long value is shown by its beginning, cut between characters") {
  CHECK(shown({{"a", 1}}) == R"({"a":1})");
  CHECK(shown("\xC3\xA4\xC3\xA4", 4) == "\"\xC3\xA4...");
}

}  // namespace
}  // namespace weft::tools
