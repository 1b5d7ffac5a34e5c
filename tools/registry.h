#pragma once
// The tools that there are, and which of them may be used: none, unless allowed.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/tool.h"

namespace weft::tools {

/// Denied unless allowed here, by name or by effect.
struct Policy {
  bool allows_all = false;
  std::set<std::string, std::less<>> names;
  std::set<EffectClass> effects;

  bool allows(const Tool& tool) const;
};

/// Once filled, const use from several threads.
class Registry {
 public:
  explicit Registry(Policy policy = {}) : policy_(std::move(policy)) {}

  /// Errors: kInvalidArgument for a name that isn't 1 to 64 of [A-Za-z0-9_-], no code, or a timeout
  /// outside 1 ms to a day; kAlreadyExists.
  Result<void> add(Tool tool);

  /// Errors: kNotFound, with the nearest name.
  Result<const Tool*> find(std::string_view name) const;
  /// find(), of a tool that may be used. Errors: also kPermissionDenied says how to allow it.
  Result<const Tool*> find_allowed(std::string_view name) const;
  std::vector<std::string> names() const;

  /// Checks the arguments, then runs it within its timeout. Errors: those of find_allowed();
  /// kInvalidArgument for the arguments; the tool's own; kInternal with what it threw. Each names
  /// the tool.
  Result<nlohmann::json> call(std::string_view name, const nlohmann::json& arguments,
                              std::stop_token stop = {}) const;

 private:
  Policy policy_;
  std::map<std::string, Tool, std::less<>> tools_;
};

}  // namespace weft::tools
