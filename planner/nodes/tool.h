#pragma once
// A tool as a node: named inputs become its arguments, its result a value.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "planner/function.h"
#include "planner/policy.h"
#include "tools/registry.h"

namespace weft::planner {

struct ToolNode {
  std::shared_ptr<const tools::Registry> registry;
  std::string tool;
  struct Argument {
    std::string name;
    const Type* type = nullptr;
  };
  std::vector<Argument> inputs;
  const Type* gives = nullptr;  // what its result is read as
};

/// Code that calls the tool with `constants` and, beside them, its inputs. Errors now: kNotFound;
/// kInvalidArgument for an argument given twice, one that the tool hasn't or doesn't get, or a
/// constant that its schema refuses. When run: those of Registry::call().
Result<FunctionPtr> tool_function(const ToolNode& node, const nlohmann::json& constants);

/// What can be said of a tool's arguments before all are there: `constants` and, beside them, the
/// names of `others`. Errors: kInvalidArgument for one that the tool hasn't or doesn't get, or a
/// constant that its schema refuses.
Result<void> check_tool_arguments(const tools::Tool& tool, const nlohmann::json& constants,
                                  const std::vector<std::string>& others);

/// Waits on the I/O lane. What reads may be repeated; what writes or runs programs is done once.
Policy tool_policy(const tools::Tool& tool);

}  // namespace weft::planner
