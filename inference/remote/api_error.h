#pragma once
// What a server says where it refuses: {"error": {"message", "type", "code"}} and the forms that
// servers have made of it. Their texts are shown, cut and made printable, never trusted.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::inference {

struct ApiError {
  int status = 0;       // of the answer: 200 where the error came inside of one
  std::string message;  // of any body, at most 500 bytes of it
  std::string type;
  std::string code;
};

/// From the body of an answer; whatever that is.
ApiError read_api_error(int status, std::string_view body);
/// From JSON that has an "error".
ApiError read_api_error(int status, const nlohmann::json& json);

/// Whether the prompt is longer than the model's context: servers say it with 400, 413 or 500.
bool is_context_overflow(const ApiError& error);

/// kResourceExhausted for a prompt beyond the context or a body beyond a limit; kInvalidArgument
/// for a refused key or request; kNotFound for a path or model that isn't there; kNetwork for what
/// may pass: 408, 409, 429, 5xx.
Error to_error(const ApiError& error);

}  // namespace weft::inference
