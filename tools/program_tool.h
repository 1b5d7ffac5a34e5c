#pragma once
// A program as a tool: its arguments go to its stdin as one line of JSON, its result is the JSON on
// its stdout. No shell, a cleared environment, its own process group, which is killed at the
// timeout and at a stop.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/tool.h"

namespace weft::tools {

struct ProgramTool {
  std::string name;
  std::string description;
  std::vector<std::string> argv;
  std::string working_directory;  // empty: this process's
  Schema arguments;
  EffectClass effect = EffectClass::kExec;
  std::chrono::milliseconds timeout{30'000};
  std::size_t output_bytes_max = 1U << 20;
  std::uint64_t memory_bytes_max = 0;  // 0: no limit
};

/// Errors of the tool: those of run_child(); kInvalidArgument if what it prints isn't JSON;
/// kInternal if it exits with another code than 0, with the end of its stderr. A program that isn't
/// there is found out when it is run.
Tool program_tool(const ProgramTool& program);

}  // namespace weft::tools
