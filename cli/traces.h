#pragma once
// The file of recorded runs that the verbs share.

#include <filesystem>
#include <map>
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

/// --trace FILE.
void add_trace_file(CLI::App& verb, std::string& file);

/// The trace at `file`, or if that is empty the one in the data home.
std::filesystem::path trace_path(const Context& context, const std::string& file);

/// Errors: kNotFound, if it isn't made, says how runs are recorded.
Result<std::unique_ptr<planner::Trace>> open_trace(const Context& context, const std::string& file,
                                                   const planner::Trace::Options& options);

/// What a recorded run keeps beside its program, to be gone on with when its file has changed or is
/// gone: the graph's text, and the folder that its templates and programs are in.
struct Origin {
  std::string text;
  std::string folder;
};
std::map<std::string, std::string> origin_notes(const std::string& text,
                                                const std::filesystem::path& folder);
/// Errors: kPermissionDenied if the run is redacted; kUnsupported if another program recorded it.
Result<Origin> origin_of(planner::Trace& trace, const planner::TraceRun& run);

}  // namespace weft::cli
