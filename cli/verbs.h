#pragma once
// Each verb adds its subcommand to the parser; parsing a command line leaves the chosen verb's
// action behind, which run() calls once the configuration is known.

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/config.h"
#include "cli/context.h"
#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace weft::cli {

using Action = std::function<Result<ExitCode>(Context&)>;

/// Where parsing a command line puts what it found.
struct Parsed {
  Action action;
  std::vector<Config::Flag> flags;
  std::string config_file;
  bool json = false;
};

/// Adds a flag that overrides the setting `key` ("--model" for "model.name").
void add_setting(CLI::App& verb, Parsed& parsed, const std::string& flag, const std::string& key);

void add_ask(CLI::App& app, Parsed& parsed);
void add_backup(CLI::App& app, Parsed& parsed);
void add_bench(CLI::App& app, Parsed& parsed);
void add_chat(CLI::App& app, Parsed& parsed);
void add_collection(CLI::App& app, Parsed& parsed);
void add_complete(CLI::App& app, Parsed& parsed);
void add_completion(CLI::App& app, Parsed& parsed);
void add_config(CLI::App& app, Parsed& parsed);
void add_doctor(CLI::App& app, Parsed& parsed);
void add_embed(CLI::App& app, Parsed& parsed);
void add_index(CLI::App& app, Parsed& parsed);
void add_model(CLI::App& app, Parsed& parsed);
void add_perplexity(CLI::App& app, Parsed& parsed);
void add_predict(CLI::App& app, Parsed& parsed);
void add_recorded_runs(CLI::App& app, Parsed& parsed);
void add_run(CLI::App& app, Parsed& parsed);
void add_search(CLI::App& app, Parsed& parsed);
void add_show(CLI::App& app, Parsed& parsed);
void add_tokenize(CLI::App& app, Parsed& parsed);
void add_trace(CLI::App& app, Parsed& parsed);
void add_tune(CLI::App& app, Parsed& parsed);

}  // namespace weft::cli
