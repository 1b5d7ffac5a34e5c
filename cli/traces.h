#pragma once
// The file of recorded runs that the verbs share.

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/context.h"
#include "planner/trace.h"

namespace weft::cli {

/// The trace at `file`, or if that is empty the one in the data home.
std::filesystem::path trace_path(const Context& context, const std::string& file);

/// Errors: kNotFound, if it isn't made, says how runs are recorded.
Result<std::unique_ptr<planner::Trace>> open_trace(const Context& context, const std::string& file,
                                                   const planner::Trace::Options& options);

}  // namespace weft::cli
