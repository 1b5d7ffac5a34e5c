#pragma once
// Requests as the bodies that the OpenAI protocol has for them. `model` is the server's name for
// one; empty: it has but one, and none is named. Broken UTF-8 is sent as U+FFFD.

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inference/remote/chat_types.h"

namespace weft::inference {

/// For POST chat/completions, the answer as a stream. Errors: kInvalidArgument for a schema of the
/// answer or of a tool's parameters that is no JSON.
Result<std::string> chat_body(const ChatRequest& request, std::string_view model);

/// For POST completions, likewise.
Result<std::string> completion_body(const CompletionRequest& request, std::string_view model);

/// For POST embeddings.
std::string embedding_body(std::span<const std::string> texts, std::string_view model);

}  // namespace weft::inference
