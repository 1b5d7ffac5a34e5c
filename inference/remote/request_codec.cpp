#include "inference/remote/request_codec.h"

#include <nlohmann/json.hpp>

namespace weft::inference {
namespace {

// Ordered, so that the members of a schema keep the order that it asks of the answer.
using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json body_of(std::string_view model) {
  Json body = Json::object();
  if (!model.empty()) body["model"] = model;
  return body;
}

Result<Json> parse_schema(const std::string& text, const std::string& whose) {
  Json schema = Json::parse(text, nullptr, false);
  if (schema.is_object()) return schema;
  return Error{ErrorCode::kInvalidArgument, whose + " is no JSON object"};
}

/// What chats and completions have in common.
Result<void> add_settings(const RemoteSettings& settings, Json& body) {
  const SamplingOptions& sampling = settings.sampling;
  body["max_tokens"] = settings.max_tokens;
  body["temperature"] = sampling.temperature;
  if (sampling.temperature > 0) {
    body["top_p"] = sampling.top_p;
    body["seed"] = sampling.seed;
  }
  if (sampling.top_k > 0) body["top_k"] = sampling.top_k;
  if (sampling.min_p > 0) body["min_p"] = sampling.min_p;
  if (settings.presence_penalty != 0) body["presence_penalty"] = settings.presence_penalty;
  if (settings.frequency_penalty != 0) body["frequency_penalty"] = settings.frequency_penalty;
  if (!settings.stop.empty()) body["stop"] = settings.stop;
  if (!settings.json_schema.empty()) {
    WEFT_TRY(schema, parse_schema(settings.json_schema, "the answer's JSON Schema"));
    body["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", std::move(schema)}}}};
  }
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  return {};
}

Json message_json(const RemoteMessage& message) {
  Json json = {{"role", message.role}, {"content", message.content}};
  if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
  for (const ToolCall& call : message.tool_calls) {
    json["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return json;
}

Result<void> add_tools(const ChatRequest& request, Json& body) {
  for (const ToolSpec& tool : request.tools) {
    WEFT_TRY(parameters, parse_schema(tool.parameters, "the schema of tool \"" + tool.name + "\""));
    body["tools"].push_back({{"type", "function"},
                             {"function",
                              {{"name", tool.name},
                               {"description", tool.description},
                               {"parameters", std::move(parameters)}}}});
  }
  const std::string& choice = request.tool_choice;
  if (choice == "auto" || choice == "none" || choice == "required") {
    body["tool_choice"] = choice;
  } else if (!choice.empty()) {
    body["tool_choice"] = {{"type", "function"}, {"function", {{"name", choice}}}};
  }
  return {};
}

}  // namespace

Result<std::string> chat_body(const ChatRequest& request, std::string_view model) {
  Json body = body_of(model);
  Json messages = Json::array();
  for (const RemoteMessage& message : request.messages) messages.push_back(message_json(message));
  body["messages"] = std::move(messages);
  WEFT_TRY_VOID(add_settings(request.settings, body));
  if (request.settings.log_probabilities) {
    // Some servers give none at all where no alternatives are asked for.
    body["logprobs"] = true;
    body["top_logprobs"] = 1;
  }
  WEFT_TRY_VOID(add_tools(request, body));
  return text_of(body);
}

Result<std::string> completion_body(const CompletionRequest& request, std::string_view model) {
  Json body = body_of(model);
  body["prompt"] = request.prompt;
  WEFT_TRY_VOID(add_settings(request.settings, body));
  if (request.settings.log_probabilities) body["logprobs"] = 1;
  return text_of(body);
}

std::string embedding_body(std::span<const std::string> texts, std::string_view model) {
  Json body = body_of(model);
  body["input"] = Json(std::vector<std::string>(texts.begin(), texts.end()));
  body["encoding_format"] = "float";
  return text_of(body);
}

}  // namespace weft::inference
