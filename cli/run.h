#pragma once
// The program `weft` as a function: arguments in, exit code out.

#include <cstdio>
#include <stop_token>
#include <string>
#include <vector>

#include "base/paths.h"

namespace weft::cli {

struct Process {
  std::vector<std::string> arguments;  // without the program's name
  Environment environment;
  std::FILE* out = stdout;
  std::FILE* err = stderr;
  std::stop_token stop;  // Ctrl-C
};

/// Runs `weft ARGUMENTS...`; returns its exit code.
int run(const Process& process);

}  // namespace weft::cli
