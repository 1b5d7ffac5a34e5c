// `weft backup`: a consistent copy of the documents and their index.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/collections.h"
#include "cli/verbs.h"

namespace weft::cli {
namespace {

Result<ExitCode> run_backup(Context& context, const std::string& target, bool overwrite) {
  WEFT_TRY(store, open_store(context));
  Progress progress(context.console, "backup", Progress::Unit::kItems);
  storage::BackupOptions options;
  options.overwrite = overwrite;
  options.stop = context.stop;
  options.on_progress = [&](std::int64_t done, std::int64_t total) {
    progress.update(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total));
  };
  WEFT_TRY_VOID(store.backup(target, options));
  progress.clear();
  std::error_code error;
  const auto size = std::filesystem::file_size(target, error);
  if (context.console.json_result()) {
    context.console.print_json({{"file", target}, {"size_bytes", error ? 0 : size}});
  } else {
    context.console.print(target + ": " + human_bytes(error ? 0 : size) +
                          "; to restore, put it back as " +
                          (context.data_home / "weft.db").string() + "\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_backup(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("backup",
                                  "Copy all collections into one file, also while they are in use");
  const auto target = std::make_shared<std::string>();
  const auto overwrite = std::make_shared<bool>(false);
  verb->add_option("file", *target, "The file to write")->required()->type_name("FILE");
  verb->add_flag("--overwrite", *overwrite, "Replace the file if it exists");
  verb->callback([&parsed, target, overwrite] {
    parsed.action = [=](Context& context) { return run_backup(context, *target, *overwrite); };
  });
}

}  // namespace weft::cli
