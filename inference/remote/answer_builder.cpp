#include "inference/remote/answer_builder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"
#include "inference/remote/api_error.h"
#include "inference/remote/json_read.h"

namespace weft::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownBytesMax = 80;

/// JSON in which broken UTF-8 has become U+FFFD: one broken letter shouldn't cost the answer.
Json parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() && !is_valid_utf8(text)) {
    json = Json::parse(repair_utf8(text), nullptr, false);
  }
  return json;
}

Error not_json(const char* what, std::string_view text) {
  return {ErrorCode::kCorrupt,
          std::string("the server sent ") + what +
              " that isn't a JSON object: " + repair_utf8(text.substr(0, kShownBytesMax))};
}

/// A token's own bytes where they are given: its text may be a part of a character.
std::string bytes_of(const Json& item) {
  const Json* bytes = member(item, "bytes");
  if (bytes == nullptr || !bytes->is_array()) return text_member(item, "token");
  std::string text;
  for (const Json& byte : *bytes) {
    constexpr std::uint64_t kByteMax = 255;
    if (!byte.is_number_unsigned() || byte.get<std::uint64_t>() > kByteMax) {
      return text_member(item, "token");
    }
    text += static_cast<char>(byte.get<std::uint64_t>());
  }
  return text;
}

/// A message's content as a text: servers send parts of it as objects too.
std::string text_of(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (content.is_array()) {
    for (const Json& part : content) text += text_member(part, "text");
  }
  return text;
}

}  // namespace

Result<void> AnswerBuilder::add_chunk(std::string_view data) {
  if (is_done_) return {};
  if (data == "[DONE]") {
    is_done_ = true;
    return {};
  }
  const Json json = parse(data);
  if (!json.is_object()) return not_json("a chunk", data);
  return add(json);
}

Result<void> AnswerBuilder::add_whole(std::string_view body) {
  const Json json = parse(body);
  if (!json.is_object()) return not_json("a body", body);
  WEFT_TRY_VOID(add(json));
  if (!has_begun_ && !has_finish_) return not_json("an answer without choices, a body", body);
  is_done_ = true;
  return {};
}

Result<void> AnswerBuilder::add(const Json& json) {
  constexpr int kOk = 200;
  if (member(json, "error") != nullptr) return to_error(read_api_error(kOk, json));
  if (answer_.model.empty()) answer_.model = text_member(json, "model");
  if (const Json* usage = member(json, "usage")) add_usage(*usage);
  const Json* choices = member(json, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) return {};
  return add_choice(choices->front());
}

Result<void> AnswerBuilder::add_choice(const Json& choice) {
  // A delta of a chat, a whole message of one, or a piece of a completion.
  const Json* message = member(choice, "delta");
  if (message == nullptr) message = member(choice, "message");
  if (message == nullptr) message = &choice;
  const Json* thinking = member(*message, "reasoning_content");
  if (thinking == nullptr) thinking = member(*message, "reasoning");
  const Json* content = member(*message, message == &choice ? "text" : "content");
  const Json* scores = member(choice, "logprobs");
  // Those of a piece of thinking aren't the answer's.
  if (scores != nullptr && (thinking == nullptr || content != nullptr)) {
    WEFT_TRY_VOID(add_tokens(*scores));
  }
  WEFT_TRY_VOID(add_text(thinking, answer_.thinking, events_.on_think));
  WEFT_TRY_VOID(add_text(content, answer_.text, events_.on_text));
  WEFT_TRY_VOID(add_text(member(*message, "refusal"), answer_.text, events_.on_text));
  if (const Json* calls = member(*message, "tool_calls")) {
    has_begun_ = true;
    WEFT_TRY_VOID(tools_.add(*calls));
  }
  add_finish(text_member(choice, "finish_reason"));
  return {};
}

Result<void> AnswerBuilder::add_text(const Json* content, std::string& to, const OnText& reader) {
  if (content == nullptr) return {};
  const std::string text = text_of(*content);
  if (text.empty()) return {};
  has_begun_ = true;
  to += text;
  if (!reader) return {};
  has_delivered_ = true;
  if (reader(text)) return {};
  is_cancelled_ = true;
  return Error{ErrorCode::kCancelled, "the answer's reader has gone"};
}

/// {"content": [{"token", "logprob", "bytes"}]} of chats, {"tokens", "token_logprobs"} of
/// completions; some servers send the first for both.
Result<void> AnswerBuilder::add_tokens(const Json& log_probabilities) {
  if (const Json* content = member(log_probabilities, "content")) {
    if (!content->is_array()) return {};
    for (const Json& item : *content) {
      if (const Json* value = member(item, "logprob")) {
        WEFT_TRY_VOID(add_token(bytes_of(item), *value));
      }
    }
    return {};
  }
  const Json* tokens = member(log_probabilities, "tokens");
  const Json* values = member(log_probabilities, "token_logprobs");
  if (tokens == nullptr || values == nullptr || !tokens->is_array() || !values->is_array()) {
    return {};
  }
  for (std::size_t i = 0; i < std::min(tokens->size(), values->size()); ++i) {
    const Json& token = (*tokens)[i];
    WEFT_TRY_VOID(add_token(token.is_string() ? token.get<std::string>() : "", (*values)[i]));
  }
  return {};
}

Result<void> AnswerBuilder::add_token(std::string text, const Json& value) {
  if (!value.is_number()) return {};
  const double number = value.get<double>();
  // ln p of what is certain is 0; of what a server finds impossible, some low number.
  if (std::isnan(number) || number > 1e-3) {
    return Error{ErrorCode::kCorrupt,
                 "the server sent a log-probability of " + value.dump() + ", which isn't one"};
  }
  const double lowest = std::numeric_limits<float>::lowest();
  answer_.tokens.push_back({std::move(text), static_cast<float>(std::clamp(number, lowest, 0.0))});
  has_begun_ = true;
  if (events_.on_token) {
    has_delivered_ = true;
    events_.on_token(answer_.tokens.back());
  }
  return {};
}

void AnswerBuilder::add_usage(const Json& usage) {
  const auto prompt = count_member(usage, "prompt_tokens");
  const auto made = count_member(usage, "completion_tokens");
  if (!prompt || !made) return;
  const auto detail = [&](const char* list, const char* key) {
    const Json* details = member(usage, list);
    return details == nullptr ? 0 : count_member(*details, key).value_or(0);
  };
  answer_.has_usage = true;
  answer_.usage.prompt_tokens = *prompt;
  answer_.usage.cached_tokens = std::min(*prompt, detail("prompt_tokens_details", "cached_tokens"));
  answer_.usage.think_tokens =
      std::min(*made, detail("completion_tokens_details", "reasoning_tokens"));
  answer_.usage.answer_tokens = *made - answer_.usage.think_tokens;
}

void AnswerBuilder::add_finish(const std::string& reason) {
  if (reason.empty()) return;
  has_finish_ = true;
  answer_.finish = reason == "length"           ? RemoteFinish::kLength
                   : reason == "tool_calls"     ? RemoteFinish::kToolCalls
                   : reason == "function_call"  ? RemoteFinish::kToolCalls
                   : reason == "content_filter" ? RemoteFinish::kContentFilter
                                                : RemoteFinish::kStop;
}

RemoteAnswer AnswerBuilder::take(bool cancelled) {
  answer_.tool_calls = tools_.take();
  if (cancelled) answer_.finish = RemoteFinish::kCancelled;
  return std::move(answer_);
}

}  // namespace weft::inference
