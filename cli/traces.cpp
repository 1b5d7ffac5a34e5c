#include "cli/traces.h"

namespace weft::cli {

std::filesystem::path trace_path(const Context& context, const std::string& file) {
  return file.empty() ? context.data_home / "traces" / "runs.db" : std::filesystem::path(file);
}

Result<std::unique_ptr<planner::Trace>> open_trace(const Context& context, const std::string& file,
                                                   const planner::Trace::Options& options) {
  const std::filesystem::path path = trace_path(context, file);
  std::error_code error;
  if (!options.create && !std::filesystem::exists(path, error)) {
    return Error{ErrorCode::kNotFound, "no run was recorded in " + path.string() +
                                           ": `weft run FILE.json --record` records one"};
  }
  if (options.create && path.has_parent_path()) {
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      return Error{ErrorCode::kIo, "cannot make the folder " + path.parent_path().string() + ": " +
                                       error.message()};
    }
  }
  return planner::Trace::open(path, options);
}

}  // namespace weft::cli
