#include "planner/otlp.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

namespace weft::planner {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

std::string attribute(const Json& span, const std::string& key) {
  for (const Json& entry : span["attributes"]) {
    if (entry["key"] == key) return entry["value"].begin()->get<std::string>();
  }
  return "";
}

TEST_CASE("a run's spans have the names of the conventions, and its own span around them") {
  TraceRun run;
  run.id = "20261127-061205-3f9a2c00";
  run.status = RunStatus::kFailed;
  run.started = UnixTime(1'700'000'000s);
  run.duration = 2s;
  run.spent = {.prompt_tokens = 30, .output_tokens = 5};
  const std::vector<TraceEvent> events = {
      {.seq = 0,
       .path = "draft",
       .label = "chat qwen2.5",
       .attempt = 1,
       .begin = 1ms,
       .end = 1s,
       .spent = {.prompt_tokens = 30, .output_tokens = 5, .cached_tokens = 20}},
      {.seq = 1,
       .kind = TraceEvent::Kind::kFailed,
       .path = "find[3]",
       .label = "execute_tool search",
       .attempt = 2,
       .begin = 1s,
       .end = 2s,
       .code = ErrorCode::kNetwork,
       .message = "secret"}};
  const std::string text = otlp_json(run, events);
  CHECK(text == otlp_json(run, events));
  CHECK(text.find("secret") == std::string::npos);
  const Json spans = Json::parse(text)["resourceSpans"][0]["scopeSpans"][0]["spans"];
  REQUIRE(spans.size() == 3);
  CHECK(attribute(spans[0], "gen_ai.operation.name") == "invoke_workflow");
  CHECK(attribute(spans[0], "gen_ai.usage.input_tokens") == "30");
  CHECK(spans[0]["status"]["code"] == 2);
  CHECK(spans[1]["name"] == "chat qwen2.5");
  CHECK(attribute(spans[1], "gen_ai.request.model") == "qwen2.5");
  CHECK(attribute(spans[1], "gen_ai.usage.cache_read.input_tokens") == "20");
  CHECK(spans[1]["startTimeUnixNano"] == "1700000000001000000");
  CHECK(spans[1]["parentSpanId"] == spans[0]["spanId"]);
  CHECK(attribute(spans[2], "gen_ai.tool.name") == "search");
  CHECK(attribute(spans[2], "error.type") == "network");
  std::set<std::string> ids;
  for (const Json& span : spans) {
    CHECK(span["traceId"].get<std::string>().size() == 32);
    CHECK(span["spanId"].get<std::string>().size() == 16);
    ids.insert(span["spanId"].get<std::string>());
  }
  CHECK(ids.size() == 3);
}

}  // namespace
}  // namespace weft::planner
