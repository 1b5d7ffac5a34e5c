#pragma once
// The program `weft` as a function: arguments in, exit code out.

#include <cstdio>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace weft::cli {

struct Process {
  std::vector<std::string> arguments;  // without the program's name
  std::map<std::string, std::string> environment;
  std::FILE* out = stdout;
  std::FILE* err = stderr;
  std::stop_token stop;  // Ctrl-C
};

/// Runs `weft ARGUMENTS...`; returns its exit code.
int run(const Process& process);

}  // namespace weft::cli
