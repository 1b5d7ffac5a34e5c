#include "cli/run.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/nearest.h"
#include "base/paths.h"
#include "cli/config.h"
#include "cli/console.h"
#include "cli/context.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace weft::cli {
namespace {

constexpr std::string_view kIntroduction =
    "Answers questions from your documents, with citations, on your own machine.\n"
    "  weft index DIR         read a folder of .txt, .md, .html and .pdf files\n"
    "  weft ask QUESTION      answer from them, naming the passages used\n"
    "  weft chat              the same, as a conversation";

constexpr std::string_view kFooter =
    "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 missing model or collection,\n"
    "4 partly done, 130 interrupted. `weft VERB --help` explains a verb.";

void add_common_flags(CLI::App& verb, Parsed& parsed) {
  for (CLI::App* nested : verb.get_subcommands({})) add_common_flags(*nested, parsed);
  if (!verb.get_subcommands({}).empty()) return;
  verb.add_flag("--json", parsed.json, "Print the result as JSON");
  verb.add_option("--config", parsed.config_file, "Read this configuration file")
      ->type_name("FILE");
  add_setting(verb, parsed, "--log-format", "log.format");
  verb.add_flag_callback(
      "--offline",
      [&parsed] {
        parsed.flags.push_back({"--offline", "network.offline", "true"});
      },
      "Refuse every connection");
}

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
  }
  return names;
}

// The subcommand that the arguments had reached when parsing stopped.
const CLI::App& deepest(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : deepest(*parsed.front());
}

std::string flag_hint(const CLI::App& verb, const std::string& message) {
  const auto at = message.find("--");
  if (at == std::string::npos) return "";
  const std::string flag = message.substr(at, message.find_first_of(" =,:", at) - at);
  std::vector<std::string> known;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  return std::ranges::find(known, flag) == known.end() ? did_you_mean(flag, known) : "";
}

// Reports a command line that doesn't parse; returns the exit code.
int refuse(const CLI::App& app, const CLI::ParseError& error, const Process& process) {
  if (error.get_exit_code() == 0) {  // --help, --version
    std::ostringstream out;
    app.exit(error, out, out);
    const bool written =
        std::fputs(out.str().c_str(), process.out) >= 0 && std::fflush(process.out) == 0;
    return static_cast<int>(written ? ExitCode::kDone : ExitCode::kFailed);
  }
  const CLI::App& verb = deepest(app);
  std::string message = error.what();
  const auto stray = verb.remaining();
  const auto verbs = verb_names(verb);
  if (!verbs.empty() && stray.empty()) {
    message = "what to do? One of";
    for (const std::string& name : verbs) message += " " + name;
  } else if (!verbs.empty() && !stray.front().starts_with("-")) {
    message = "unknown verb \"" + stray.front() + "\"" + did_you_mean(stray.front(), verbs);
  } else if (!stray.empty()) {
    message = "unexpected:";
    for (const std::string& each : stray) message += " " + each;
    message += flag_hint(verb, message);
  } else {
    message += flag_hint(verb, message);
  }
  std::string path = "weft";
  for (const CLI::App* each = &app; each != &verb;) {
    each = each->get_subcommands().front();
    path += " " + each->get_name();
  }
  std::fprintf(process.err, "%s: %s\nTry `%s --help`.\n", path.c_str(), message.c_str(),
               path.c_str());
  return static_cast<int>(ExitCode::kUsage);
}

Result<ExitCode> act(const Process& process, const Parsed& parsed, Console& console) {
  WEFT_TRY(data, data_home(process.environment));
  const bool given = !parsed.config_file.empty();
  std::filesystem::path file = parsed.config_file;
  if (!given) {
    WEFT_TRY(usual, config_file(process.environment));
    file = usual;
  }
  auto config = Config::load(file, given, process.environment, parsed.flags);
  if (!config) return std::move(config).error();
  console =
      Console(process.out, process.err,
              {.json_result = parsed.json, .json_log = config->string("log.format") == "json"});
  Context context{*config, console, data, file, process.environment, process.stop};
  return parsed.action(context);
}

}  // namespace

void add_setting(CLI::App& verb, Parsed& parsed, const std::string& flag, const std::string& key) {
  for (const Setting& setting : settings()) {
    if (setting.key != key) continue;
    std::string help(setting.help);
    if (!help.empty()) help[0] = static_cast<char>(std::toupper(help[0]));
    if (const std::string fallback = to_string(setting.fallback); !fallback.empty()) {
      help += " [" + fallback + "]";
    }
    verb.add_option_function<std::string>(
            flag,
            [&parsed, flag, key](const std::string& value) {
              parsed.flags.push_back({flag.substr(flag.rfind("--")), key, value});
            },
            help)
        ->type_name(std::holds_alternative<std::string>(setting.fallback) ? "TEXT" : "N");
    return;
  }
}

int run(const Process& process) {
  CLI::App app{std::string(kIntroduction), "weft"};
  Parsed parsed;
  app.set_version_flag("--version", std::string("weft ") + kVersion);
  app.require_subcommand(1);
  app.footer(std::string(kFooter));
  add_index(app, parsed);
  add_ask(app, parsed);
  add_chat(app, parsed);
  add_search(app, parsed);
  add_show(app, parsed);
  add_collection(app, parsed);
  add_backup(app, parsed);
  add_run(app, parsed);
  add_recorded_runs(app, parsed);
  add_predict(app, parsed);
  add_tune(app, parsed);
  add_complete(app, parsed);
  add_tokenize(app, parsed);
  add_perplexity(app, parsed);
  add_bench(app, parsed);
  add_embed(app, parsed);
  add_trace(app, parsed);
  add_model(app, parsed);
  add_config(app, parsed);
  add_doctor(app, parsed);
  add_completion(app, parsed);
  for (CLI::App* verb : app.get_subcommands([](CLI::App*) { return true; })) {
    add_common_flags(*verb, parsed);
  }
  try {
    std::vector<std::string> reversed(process.arguments.rbegin(), process.arguments.rend());
    if (reversed.empty()) reversed.emplace_back("--help");
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return refuse(app, error, process);
  }

  Console console(process.out, process.err, {.json_result = parsed.json});
  const auto ended = act(process, parsed, console);
  // Comes first: a verb whose output can't be written gives up in its own way, or doesn't notice.
  if (const int error = console.print_error(); error != 0) {
    // A reader that has seen enough (`| head`) is told nothing.
    if (error != EPIPE) {
      console.fail({ErrorCode::kIo,
                    std::string("cannot write to standard output: ") + std::strerror(error)});
    }
    return static_cast<int>(ExitCode::kFailed);
  }
  if (ended) return static_cast<int>(*ended);
  console.fail(ended.error());
  return static_cast<int>(exit_code_of(ended.error()));
}

}  // namespace weft::cli
