#pragma once
// Something that a graph or a model may have done in the world outside: code with a name, a schema
// of its arguments, and what kind of effect it has.

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/schema.h"

namespace weft::tools {

/// What a tool touches: what a policy allows or denies.
enum class EffectClass { kRead, kWrite, kNetwork, kExec };
std::string_view to_string(EffectClass effect) noexcept;  // "read", "write", "network", "exec"
/// Errors: kInvalidArgument names those that there are.
Result<EffectClass> effect_class(std::string_view name);

struct ToolCall {
  std::stop_token stop;
  std::chrono::milliseconds timeout{0};  // what is left of the tool's own
};

struct Tool {
  std::string name;         // letters, digits, _ and -: what models write
  std::string description;  // for a model and for people
  Schema arguments;
  EffectClass effect = EffectClass::kExec;
  std::chrono::milliseconds timeout{30'000};
  /// On any thread, several at once. What it is called with has been checked. It has to heed `stop`
  /// and `timeout` itself: a thread can't be ended from outside.
  std::function<Result<nlohmann::json>(const nlohmann::json& arguments, const ToolCall& call)> run;
  std::string fingerprint;  // what a trace's key knows of its code
};

}  // namespace weft::tools
