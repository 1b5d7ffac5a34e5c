#include "cli/traces.h"

#include <CLI/CLI.hpp>

namespace weft::cli {
namespace {

constexpr const char* kFileNote = "graph file";
constexpr const char* kFolderNote = "folder";

}  // namespace

void add_trace_file(CLI::App& verb, std::string& file) {
  verb.add_option("--trace", file, "The file of recorded runs [traces/runs.db]")->type_name("FILE");
}

void add_record_flags(CLI::App& verb, RecordFlags& flags) {
  verb.add_flag("--record", flags.record,
                "Record how it was answered: `weft trace` shows it, `weft replay` gives it again");
  verb.add_option("--trace", flags.trace, "Record in this file [traces/runs.db]")
      ->type_name("FILE");
}

Result<std::unique_ptr<planner::Trace>> open_recording(const Context& context,
                                                       const RecordFlags& flags) {
  if (!flags.record && flags.trace.empty()) return std::unique_ptr<planner::Trace>();
  return open_trace(context, flags.trace, {});
}

std::filesystem::path trace_path(const Context& context, const std::string& file) {
  return file.empty() ? context.data_home / "traces" / "runs.db" : std::filesystem::path(file);
}

Result<std::unique_ptr<planner::Trace>> open_trace(const Context& context, const std::string& file,
                                                   const planner::Trace::Options& options) {
  const std::filesystem::path path = trace_path(context, file);
  std::error_code error;
  if (!options.create && !std::filesystem::exists(path, error)) {
    return Error{ErrorCode::kNotFound, "no run was recorded in " + path.string() +
                                           ": `weft run FILE.json --record` records one, "
                                           "`weft ask --record` another"};
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

std::map<std::string, std::string> origin_notes(const std::string& text,
                                                const std::filesystem::path& folder) {
  std::error_code ignored;  // a relative folder does as well
  return {{kFileNote, text}, {kFolderNote, std::filesystem::absolute(folder, ignored).string()}};
}

Result<Origin> origin_of(planner::Trace& trace, const planner::TraceRun& run) {
  if (run.is_redacted) {
    return Error{ErrorCode::kPermissionDenied,
                 "run " + run.id + " is redacted: a document that it used was forgotten"};
  }
  WEFT_TRY(text, trace.note(run.id, kFileNote));
  if (!text) {
    return Error{ErrorCode::kUnsupported,
                 "run " + run.id +
                     " wasn't recorded by `weft run`: the program that made it "
                     "has to go on with it"};
  }
  WEFT_TRY(folder, trace.note(run.id, kFolderNote));
  return Origin{*std::move(text), folder.value_or("")};
}

}  // namespace weft::cli
