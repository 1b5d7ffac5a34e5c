#pragma once
// What `weft` returns to the shell; README.md lists them.

#include "base/error.h"

namespace weft::cli {

enum class ExitCode : int {
  kDone = 0,  // abstaining included
  kFailed = 1,
  kUsage = 2,          // wrong arguments or configuration
  kMissing = 3,        // a model or collection that isn't there
  kPartial = 4,        // some of the work failed, the rest is done
  kInterrupted = 130,  // Ctrl-C
};

/// The exit code of a verb that ended with this error.
ExitCode exit_code_of(const Error& error) noexcept;

}  // namespace weft::cli
