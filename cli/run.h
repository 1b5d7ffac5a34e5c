#pragma once
// The program `weft` as a function: arguments in, exit code out.

#include <string>
#include <vector>

namespace weft::cli {

/// Runs `weft ARGUMENTS...` on the process's streams; returns its exit code.
int run(const std::vector<std::string>& arguments);

}  // namespace weft::cli
