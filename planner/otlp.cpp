#include "planner/otlp.h"

#include <nlohmann/json.hpp>

namespace weft::planner {
namespace {

using Json = nlohmann::ordered_json;

std::string hash_of(const std::string& text, std::size_t digits) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(text)));
  return sha.hex_digest().substr(0, digits);
}

// 64-bit integers are strings in OTLP's JSON.
Json attribute(const char* key, std::int64_t value) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}};
}
Json attribute(const char* key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

void add_usage(Json& attributes, const Spend& spent) {
  if (spent.prompt_tokens > 0) {
    attributes.push_back(attribute("gen_ai.usage.input_tokens", spent.prompt_tokens));
  }
  if (spent.cached_tokens > 0) {
    attributes.push_back(attribute("gen_ai.usage.cache_read.input_tokens", spent.cached_tokens));
  }
  if (spent.output_tokens > 0) {
    attributes.push_back(attribute("gen_ai.usage.output_tokens", spent.output_tokens));
  }
  if (spent.money_micros > 0) {
    attributes.push_back(attribute("weft.money_micros", spent.money_micros));
  }
}

class Spans {
 public:
  explicit Spans(const TraceRun& run)
      : trace_id_(hash_of(run.id, 32)),
        root_id_(hash_of(run.id + "/run", 16)),
        start_(
            std::chrono::duration_cast<std::chrono::nanoseconds>(run.started.time_since_epoch())) {}

  Json of_run(const TraceRun& run) const {
    Json attributes = Json::array();
    attributes.push_back(attribute("gen_ai.operation.name", std::string("invoke_workflow")));
    attributes.push_back(attribute("gen_ai.conversation.id", run.id));
    attributes.push_back(attribute("weft.program", run.program_hash));
    attributes.push_back(attribute("weft.status", std::string(to_string(run.status))));
    add_usage(attributes, run.spent);
    Json span = frame("invoke_workflow", root_id_, "", {}, run.duration);
    span["attributes"] = std::move(attributes);
    if (run.status == RunStatus::kFailed) span["status"] = {{"code", 2}};
    return span;
  }

  Json of_event(const TraceRun& run, const TraceEvent& event) const {
    // "chat qwen2.5": an operation and what it is applied to.
    const std::size_t blank = event.label.find(' ');
    const std::string operation = event.label.substr(0, blank);
    const std::string object = blank == std::string::npos ? "" : event.label.substr(blank + 1);
    Json attributes = Json::array();
    if (!operation.empty()) {
      attributes.push_back(attribute("gen_ai.operation.name", operation));
      attributes.push_back(attribute("gen_ai.provider.name", std::string("weft")));
    }
    if (!object.empty()) {
      const bool is_tool = operation == "execute_tool";
      attributes.push_back(
          attribute(is_tool ? "gen_ai.tool.name" : "gen_ai.request.model", object));
    }
    add_usage(attributes, event.spent);
    attributes.push_back(attribute("weft.path", event.path));
    attributes.push_back(attribute("weft.event", std::string(to_string(event.kind))));
    attributes.push_back(attribute("weft.attempt", std::int64_t{event.attempt}));
    if (event.code)
      attributes.push_back(attribute("error.type", std::string(to_string(*event.code))));
    Json span = frame(event.label.empty() ? event.path : event.label,
                      hash_of(run.id + "/" + std::to_string(event.seq), 16), root_id_, event.begin,
                      event.end);
    span["attributes"] = std::move(attributes);
    if (event.code) span["status"] = {{"code", 2}};
    return span;
  }

 private:
  Json frame(const std::string& name, const std::string& id, const std::string& parent,
             std::chrono::nanoseconds begin, std::chrono::nanoseconds end) const {
    Json span = {{"traceId", trace_id_}, {"spanId", id}};
    if (!parent.empty()) span["parentSpanId"] = parent;
    span["name"] = name;
    span["kind"] = 1;  // internal
    span["startTimeUnixNano"] = std::to_string((start_ + begin).count());
    span["endTimeUnixNano"] = std::to_string((start_ + end).count());
    return span;
  }

  std::string trace_id_;
  std::string root_id_;
  std::chrono::nanoseconds start_;
};

}  // namespace

std::string otlp_json(const TraceRun& run, const std::vector<TraceEvent>& events) {
  const Spans spans(run);
  Json list = Json::array({spans.of_run(run)});
  for (const TraceEvent& event : events) list.push_back(spans.of_event(run, event));
  Json resource = {{"attributes", Json::array({attribute("service.name", std::string("weft"))})}};
  Json scope = {{"scope", {{"name", "weft.planner"}}}, {"spans", std::move(list)}};
  Json resource_spans = {{"resource", std::move(resource)},
                         {"scopeSpans", Json::array({std::move(scope)})},
                         {"schemaUrl", kOtlpSchema}};
  const Json body = {{"resourceSpans", Json::array({std::move(resource_spans)})}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weft::planner
