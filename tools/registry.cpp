#include "tools/registry.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/guard.h"
#include "base/nearest.h"

namespace weft::tools {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kNameBytesMax = 64;
constexpr std::chrono::milliseconds kTimeoutMax = std::chrono::hours(24);
constexpr std::array<std::string_view, 4> kEffects = {"read", "write", "network", "exec"};

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

}  // namespace

std::string_view to_string(EffectClass effect) noexcept {
  return kEffects[static_cast<std::size_t>(effect)];
}

Result<EffectClass> effect_class(std::string_view name) {
  const auto* found = std::find(kEffects.begin(), kEffects.end(), name);
  if (found != kEffects.end()) return static_cast<EffectClass>(found - kEffects.begin());
  return Error{ErrorCode::kInvalidArgument, "there is no effect \"" + std::string(name) +
                                                "\": a tool's is read, write, network or exec"};
}

bool Policy::allows(const Tool& tool) const {
  return allows_all || names.contains(tool.name) || effects.contains(tool.effect);
}

Result<void> Registry::add(Tool tool) {
  if (!is_name(tool.name)) {
    return Error{ErrorCode::kInvalidArgument, "a tool can't be called \"" + tool.name +
                                                  "\": take 1 to " + std::to_string(kNameBytesMax) +
                                                  " letters, digits, _ or -"};
  }
  if (!tool.run) return Error{ErrorCode::kInvalidArgument, "tool " + tool.name + " has no code"};
  if (tool.timeout.count() < 1 || tool.timeout > kTimeoutMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "tool " + tool.name + ": its timeout isn't between 1 ms and a day"};
  }
  std::string name = tool.name;
  if (!tools_.emplace(std::move(name), std::move(tool)).second) {
    return Error{ErrorCode::kAlreadyExists, "there are two tools with one name"};
  }
  return {};
}

Result<const Tool*> Registry::find(std::string_view name) const {
  const auto found = tools_.find(name);
  if (found != tools_.end()) return &found->second;
  return Error{ErrorCode::kNotFound,
               "there is no tool " + std::string(name) + did_you_mean(name, names())};
}

Result<const Tool*> Registry::find_allowed(std::string_view name) const {
  WEFT_TRY(tool, find(name));
  if (policy_.allows(*tool)) return tool;
  return Error{ErrorCode::kPermissionDenied,
               "tool " + tool->name + " (" + std::string(to_string(tool->effect)) +
                   ") isn't allowed: allow it by name (--allow-tool " + tool->name + ")"};
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tool] : tools_) names.push_back(name);
  return names;
}

Result<Json> Registry::call(std::string_view name, const Json& arguments,
                            std::stop_token stop) const {
  WEFT_TRY(tool, find_allowed(name));
  const auto context = [&](const Error& error, const char* what) {
    return error.with_context("tool " + tool->name + what);
  };
  const auto checked = tool->arguments.check(arguments);
  if (!checked) return context(checked.error(), ": its arguments");
  if (stop.stop_requested()) return context({ErrorCode::kCancelled, "stopped before it began"}, "");
  auto result = guarded([&] { return tool->run(arguments, {stop, tool->timeout}); });
  if (!result) return context(result.error(), "");
  return result;
}

}  // namespace weft::tools
