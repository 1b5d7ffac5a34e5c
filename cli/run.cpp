#include "cli/run.h"

namespace weft::cli {

int run(const std::vector<std::string>& arguments) { return arguments.empty() ? 2 : 0; }

}  // namespace weft::cli
