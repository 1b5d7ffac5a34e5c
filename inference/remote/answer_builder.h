#pragma once
// An answer out of the chunks of a stream, or out of one whole body: a state machine without a
// socket. What is broken within a chunk ends it; what is unknown in one is skipped.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inference/remote/chat_types.h"
#include "inference/remote/tool_call_builder.h"

namespace weft::inference {

class AnswerBuilder {
 public:
  /// `events` is borrowed.
  explicit AnswerBuilder(const RemoteEvents& events) : events_(events) {}

  /// One chunk: an event's data; "[DONE]" ends the answer, and what follows is skipped.
  /// Errors: kCorrupt for what is no JSON object; api_error.h's for an error sent as a chunk;
  /// kCancelled once an event's reader says so.
  Result<void> add_chunk(std::string_view data);
  /// The body of an answer that isn't a stream. Errors: likewise; kCorrupt if it has no choice.
  Result<void> add_whole(std::string_view body);

  bool has_delivered() const noexcept { return has_delivered_; }  // anything to `events`
  bool has_begun() const noexcept { return has_begun_; }          // a piece of the answer came
  bool is_cancelled() const noexcept { return is_cancelled_; }    // by a reader
  bool is_complete() const noexcept { return is_done_ || has_finish_; }
  bool is_done() const noexcept { return is_done_; }  // nothing more is to come

  /// What there is. `cancelled`: it was ended from outside.
  RemoteAnswer take(bool cancelled);

 private:
  Result<void> add(const nlohmann::json& json);
  Result<void> add_choice(const nlohmann::json& choice);
  Result<void> add_tokens(const nlohmann::json& log_probabilities);
  Result<void> add_token(std::string text, const nlohmann::json& value);
  Result<void> add_text(const nlohmann::json* content, std::string& to, const OnText& reader);
  void add_usage(const nlohmann::json& usage);
  void add_finish(const std::string& reason);

  const RemoteEvents& events_;
  RemoteAnswer answer_;
  ToolCallBuilder tools_;
  bool has_delivered_ = false;
  bool has_begun_ = false;
  bool is_cancelled_ = false;
  bool has_finish_ = false;
  bool is_done_ = false;
};

}  // namespace weft::inference
