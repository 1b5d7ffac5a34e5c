#include "inference/remote/api_error.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace weft::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMessageBytesMax = 500;

/// For one line of a terminal: no control characters, no more than so much.
std::string shown(std::string_view text) {
  std::string line = repair_utf8(text.substr(0, kMessageBytesMax));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  if (text.size() > kMessageBytesMax) line += "...";
  return line;
}

std::string text_or(const Json& json, const char* key, const std::string& fallback = "") {
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end()) return fallback;
  if (found->is_string()) return shown(found->get_ref<const std::string&>());
  return found->is_number_integer() ? found->dump() : fallback;
}

bool contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::search(text, part, {}, lower, lower).begin() != text.end();
}

}  // namespace

ApiError read_api_error(int status, const Json& json) {
  const auto found = json.is_object() ? json.find("error") : json.end();
  const Json& error = json.is_object() && found != json.end() ? *found : json;
  ApiError read{.status = status, .type = text_or(error, "type"), .code = text_or(error, "code")};
  if (error.is_string()) {
    read.message = shown(error.get_ref<const std::string&>());
  } else {
    read.message = text_or(error, "message", text_or(error, "detail"));
  }
  if (read.message.empty())
    read.message = shown(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  return read;
}

ApiError read_api_error(int status, std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_discarded()) return read_api_error(status, json);
  return {.status = status, .message = shown(body)};
}

bool is_context_overflow(const ApiError& error) {
  static constexpr std::string_view kNames[] = {"context_length_exceeded",
                                                "exceed_context_size_error"};
  static constexpr std::string_view kPhrases[] = {"maximum context length", "context size",
                                                  "context window", "context length"};
  const auto is_name = [&](std::string_view name) {
    return error.type == name || error.code == name;
  };
  if (std::ranges::any_of(kNames, is_name)) return true;
  const bool may_be =
      error.status == 400 || error.status == 413 || error.status == 500 || error.status == 200;
  return may_be && std::ranges::any_of(kPhrases, [&](std::string_view phrase) {
           return contains(error.message, phrase);
         });
}

Error to_error(const ApiError& error) {
  const std::string said = error.message.empty() ? "" : ": " + error.message;
  const std::string status = "HTTP " + std::to_string(error.status);
  if (is_context_overflow(error)) {
    return {ErrorCode::kResourceExhausted, "the prompt is longer than the server's context" + said};
  }
  switch (error.status) {
    case 200:
      return {ErrorCode::kNetwork, "the server failed while it answered" + said};
    case 401:
    case 403:
      return {ErrorCode::kInvalidArgument, "the server refused the API key (" + status +
                                               "): see api_key_env of this remote model" + said};
    case 404:
      return {ErrorCode::kNotFound,
              "the server has no such path or model (" + status +
                  "): see url, which usually ends in /v1, and model of this remote model" + said};
    case 413:
      return {ErrorCode::kResourceExhausted, "the request is too large (" + status + ")" + said};
    case 429:
      return {ErrorCode::kNetwork,
              "too many requests, or none left to spend (" + status + ")" + said};
    default:
      break;
  }
  constexpr int kServerErrors = 500;
  if (error.status >= kServerErrors || error.status == 408 || error.status == 409) {
    return {ErrorCode::kNetwork, "the server failed (" + status + ")" + said};
  }
  return {ErrorCode::kInvalidArgument, "the server refused the request (" + status + ")" + said};
}

}  // namespace weft::inference
