#pragma once
// What is asked of a remote model and what it answers: values, without a protocol.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/generate.h"
#include "inference/sampler.h"

namespace weft::inference {

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON, as the model wrote it: not checked against the tool's schema

  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

struct ToolSpec {
  std::string name;
  std::string description;
  std::string parameters;  // a JSON Schema
};

struct RemoteMessage {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  std::vector<ToolCall> tool_calls{};  // of the assistant
  std::string tool_call_id{};          // of a tool's result
};

/// How an answer is made.
struct RemoteSettings {
  SamplingOptions sampling;  // top_k and min_p, which not every server knows, are sent if they say
                             // something
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::size_t max_tokens = 256;  // thinking included
  std::vector<std::string> stop;
  std::string json_schema;         // the answer's; empty: free text
  bool log_probabilities = false;  // of its tokens
};

/// What of `options` the protocol can carry; drafts and the span of thinking aren't needed there.
/// Errors: kUnsupported names what it can't carry: biases, repetition penalties and processors of
/// logits, scored prompts, going on past the model's end.
Result<RemoteSettings> remote_settings(const GenerateOptions& options);

struct ChatRequest {
  std::vector<RemoteMessage> messages;
  RemoteSettings settings;
  std::vector<ToolSpec> tools{};
  std::string tool_choice{};  // "auto", "none", "required" or a tool's name; empty: the server's
};

/// Continues a text. A server parses control tokens in it.
struct CompletionRequest {
  std::string prompt;
  RemoteSettings settings;
};

struct TokenScore {
  std::string text;  // its bytes: not always whole characters
  float log_probability = 0;

  friend bool operator==(const TokenScore&, const TokenScore&) = default;
};

enum class RemoteFinish : std::uint8_t { kStop, kLength, kToolCalls, kContentFilter, kCancelled };
std::string_view to_string(RemoteFinish finish) noexcept;  // "stop", "tool_calls", ...

struct RemoteAnswer {
  std::string text;
  std::string thinking;
  std::vector<ToolCall> tool_calls;
  std::vector<TokenScore> tokens;  // of the text, where log-probabilities were asked for and given
  RemoteFinish finish = RemoteFinish::kStop;
  bool has_usage = false;  // else the server didn't count: usage is empty
  Usage usage;
  Timing timing;      // prefill until the first piece came, decode from there
  std::string model;  // as the server names it
};

/// Told as the answer comes: of a token before its text. False from on_text or on_think cancels.
struct RemoteEvents {
  OnText on_text{};
  OnText on_think{};
  std::function<void(const TokenScore&)> on_token{};
};

struct RemoteEmbeddings {
  std::vector<std::vector<float>> vectors;  // one a text, in their order, of one length
  std::size_t prompt_tokens = 0;            // 0 if the server didn't count
};

}  // namespace weft::inference
