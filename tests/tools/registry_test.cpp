#include "tools/registry.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace weft::tools {
namespace {

using Json = nlohmann::json;

Tool doubling(int& calls) {
  Tool tool;
  tool.name = "double";
  tool.arguments =
      Schema::parse(
          {{"type", "object"}, {"properties", {{"x", {{"type", "integer"}}}}}, {"required", {"x"}}})
          .value();
  tool.effect = EffectClass::kRead;
  tool.run = [&calls](const Json& arguments, const ToolCall&) -> Result<Json> {
    ++calls;
    return Json(2 * arguments["x"].get<int>());
  };
  return tool;
}

TEST_CASE("a tool is denied unless its name, its effect or all are allowed") {
  int calls = 0;
  const auto call = [&](Policy policy) {
    Registry registry(std::move(policy));
    REQUIRE(registry.add(doubling(calls)));
    return registry.call("double", {{"x", 21}});
  };
  const auto denied = call({});
  CHECK(denied.error().code == ErrorCode::kPermissionDenied);
  CHECK(denied.error().message ==
        "tool double (read) isn't allowed: allow it by name (--allow-tool double)");
  CHECK(call({.effects = {EffectClass::kExec, EffectClass::kWrite}}).error().code ==
        ErrorCode::kPermissionDenied);
  CHECK(calls == 0);
  CHECK(call({.names = {"double"}}).value() == 42);
  CHECK(call({.effects = {EffectClass::kRead}}).value() == 42);
  CHECK(call({.allows_all = true}).value() == 42);
  CHECK(calls == 3);
}

TEST_CASE("wrong names and arguments never reach the code, and what it throws is an error") {
  int calls = 0;
  Registry registry({.allows_all = true});
  REQUIRE(registry.add(doubling(calls)));
  CHECK(registry.add(doubling(calls)).error().code == ErrorCode::kAlreadyExists);
  CHECK(registry.call("duoble", {}).error().message ==
        "there is no tool duoble; did you mean \"double\"?");
  CHECK(registry.call("double", {{"x", "1"}}).error().message ==
        "tool double: its arguments: /x has to be of type integer, not \"1\"");
  std::stop_source stop;
  stop.request_stop();
  CHECK(registry.call("double", {{"x", 1}}, stop.get_token()).error().code ==
        ErrorCode::kCancelled);
  CHECK(calls == 0);

  Tool throwing = doubling(calls);
  throwing.name = "throws";
  throwing.run = [](const Json&, const ToolCall&) -> Result<Json> {
    throw std::runtime_error("no");
  };
  REQUIRE(registry.add(std::move(throwing)));
  CHECK(registry.call("throws", {{"x", 1}}).error().message == "tool throws: a callback threw: no");
}

TEST_CASE("a tool needs a name that a model can write, code, and a time that ends") {
  int calls = 0;
  Registry registry;
  const auto add = [&](auto change) {
    Tool tool = doubling(calls);
    change(tool);
    const auto added = registry.add(std::move(tool));
    return added ? std::string() : added.error().message;
  };
  CHECK(add([](Tool& t) { t.name = "rm -rf"; }).find("can't be called \"rm -rf\"") !=
        std::string::npos);
  CHECK_FALSE(add([](Tool& t) { t.name = ""; }).empty());
  CHECK_FALSE(add([](Tool& t) { t.name = std::string(65, 'a'); }).empty());
  CHECK_FALSE(add([](Tool& t) { t.run = {}; }).empty());
  CHECK_FALSE(add([](Tool& t) { t.timeout = {}; }).empty());
  CHECK_FALSE(add([](Tool& t) { t.timeout = std::chrono::hours(25); }).empty());
  CHECK(registry.names().empty());
  CHECK(effect_class("network").value() == EffectClass::kNetwork);
  CHECK(effect_class("net").error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weft::tools
