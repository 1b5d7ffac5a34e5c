#pragma once
// The file of recorded runs that the verbs share.

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/context.h"
#include "planner/trace.h"

namespace CLI {
class App;
}

namespace weft::cli {

/// --record and --trace of a verb that answers.
struct RecordFlags {
  bool record = false;
  std::string trace;  // file; given, it records too
};
void add_record_flags(CLI::App& verb, RecordFlags& flags);
/// Null where nothing is to be recorded.
Result<std::unique_ptr<planner::Trace>> open_recording(const Context& context,
                                                       const RecordFlags& flags);

/// The trace at `file`, or if that is empty the one in the data home.
std::filesystem::path trace_path(const Context& context, const std::string& file);

/// Errors: kNotFound, if it isn't made, says how runs are recorded.
Result<std::unique_ptr<planner::Trace>> open_trace(const Context& context, const std::string& file,
                                                   const planner::Trace::Options& options);

}  // namespace weft::cli
