#pragma once
// What main() builds and every verb works with.

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "base/paths.h"
#include "base/result.h"
#include "cli/config.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "inference/model.h"
#include "inference/prefix_cache.h"

namespace weft::cli {

struct Context {
  Config& config;
  Console& console;
  std::filesystem::path data_home;  // weft.db, models/, segments/, traces/
  std::filesystem::path config_file;
  Environment environment;
  std::stop_token stop;  // Ctrl-C
};

struct Engine {
  std::shared_ptr<const inference::Model> model;
  std::string name;  // as the user named it
  double load_seconds = 0;
  std::unique_ptr<inference::PrefixCache> prefixes;  // outlives what is opened with it

  std::size_t context_length(const Config& config) const;
};

/// The configured CPU level, threads and kind of keys and values. Errors: those of open_backend().
Result<std::shared_ptr<const inference::Backend>> open_backend(const Context& context);

/// Where the configured model's file is. Errors: kNotFound says how to pull it.
Result<std::filesystem::path> model_path(const Context& context);

struct EngineUse {
  bool chat = true;  // warns if the model has no chat template of its own
};

/// Loads the model that the configuration names, with a progress bar.
/// Errors: kNotFound says how to pull it.
Result<Engine> load_engine(Context& context, const EngineUse& use = {});

}  // namespace weft::cli
