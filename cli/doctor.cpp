// `weft doctor`: what works on this machine, and for what doesn't, the cause and the remedy.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/child_process.h"
#include "cli/collections.h"
#include "cli/models.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "inference/backend.h"
#include "inference/chat_template.h"
#include "inference/cpu/level.h"
#include "inference/gguf.h"
#include "inference/tokenizer.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kFreeBytesMin = std::uint64_t{1} << 30;

enum class State { kOk, kWarning, kFailed };

struct Check {
  std::string name;
  State state;
  std::string found;
  std::string remedy;
};

std::string_view to_string(State state) {
  return state == State::kOk ? "ok" : state == State::kWarning ? "warning" : "failed";
}

Check check_cpu(const Context& context) {
  using namespace inference::cpu;
  const auto level = choose_level(context.config.string("engine.cpu"));
  if (!level) {
    return {"cpu", State::kFailed, level.error().message, "unset WEFT_CPU and engine.cpu"};
  }
  std::string found = std::string(to_string(*level)) + " kernels";
  if (*level != best_level()) {
    return {"cpu", State::kWarning,
            found + "; this CPU runs " + std::string(to_string(best_level())),
            "unset WEFT_CPU and engine.cpu to use the best"};
  }
  if (*level == Level::kScalar) {
    return {"cpu", State::kWarning, found, "a CPU with AVX2 is many times faster"};
  }
  return {"cpu", State::kOk, found, ""};
}

Check check_threads(const Context& context) {
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  const auto asked = context.config.integer("engine.threads");
  const std::string found = (asked == 0 ? "automatic" : std::to_string(asked)) + ", " +
                            std::to_string(cores) + " processors";
  if (asked > static_cast<std::int64_t>(cores)) {
    return {"threads", State::kWarning, found,
            "more threads than processors only wait: engine.threads = 0"};
  }
  return {"threads", State::kOk, found, ""};
}

Check check_disk(const Context& context) {
  auto place = context.data_home;
  std::error_code error;
  while (!std::filesystem::exists(place, error) && place.has_relative_path()) {
    place = place.parent_path();
  }
  const auto space = std::filesystem::space(place, error);
  if (error)
    return {"disk", State::kFailed, place.string() + ": " + error.message(),
            "set WEFT_HOME to a writable place"};
  const std::string found = human_bytes(space.available) + " free at " + context.data_home.string();
  if (access(place.c_str(), W_OK) != 0) {
    return {"disk", State::kFailed, place.string() + " can't be written",
            "set WEFT_HOME to a writable place"};
  }
  if (space.available < kFreeBytesMin) {
    return {"disk", State::kWarning, found,
            "a model takes 0.1 to 1.1 GB: free some space, or set WEFT_HOME"};
  }
  return {"disk", State::kOk, found, ""};
}

Check check_remote(const Context& context) {
  constexpr const char* kRemedy = "see `weft config show --origin`, and whether the server runs";
  const auto remote = open_remote(context);
  if (!remote) return {"model", State::kFailed, remote.error().message, kRemedy};
  const inference::RemoteOptions& options = remote->model->options();
  const auto names = remote->model->models(context.stop);
  if (!names) return {"model", State::kFailed, names.error().message, kRemedy};
  const std::string found = remote->name + " at " + options.url + ", which has " +
                            std::to_string(names->size()) +
                            (names->size() == 1 ? " model" : " models");
  if (options.model.empty() || std::ranges::count(*names, options.model) > 0) {
    return {"model", State::kOk, found, ""};
  }
  return {"model", State::kWarning, found + ", but lists no \"" + options.model + "\"",
          "set the section's model to one that the server lists"};
}

void check_model(Context& context, std::vector<Check>& checks) {
  if (remote_name(context.config)) {
    checks.push_back(check_remote(context));
    return;
  }
  const std::string& name = context.config.string("model.name");
  const auto path = model_path(context);
  if (!path) {
    checks.push_back({"model", State::kFailed, path.error().message, "weft model pull " + name});
    return;
  }
  const auto file = inference::GgufFile::open(*path);
  if (!file) {
    checks.push_back({"model", State::kFailed, file.error().message,
                      "weft model rm " + name + " && weft model pull " + name});
    return;
  }
  const auto architecture = file->string("general.architecture");
  checks.push_back({"model", State::kOk,
                    path->string() + ", " + human_bytes(file->size_bytes()) + ", " +
                        std::string(architecture.value_or("no architecture")),
                    ""});
  const auto backend = open_backend(context);
  const auto weights = fingerprint(*file);
  if (backend && weights) {  // else the check of the CPU or of the file says why
    checks.push_back({"numerics", State::kOk, to_string((*backend)->numerics(*weights)), ""});
  }
  const auto tokenizer = inference::Tokenizer::from_gguf(*file);
  if (tokenizer) {
    checks.push_back(
        {"tokenizer", State::kOk,
         std::string(tokenizer->splitter()) + ", " + std::to_string(tokenizer->size()) + " tokens",
         ""});
  } else {
    checks.push_back({"tokenizer", State::kFailed, tokenizer.error().message,
                      "use a model with a supported tokenizer: weft model list"});
  }
  const auto source = file->string("tokenizer.chat_template");
  if (!source) {
    checks.push_back({"template", State::kWarning, "the file has none; ChatML is used",
                      "a base model answers poorly: pull an instruct model"});
    return;
  }
  auto parsed = inference::ChatTemplate::parse(std::string(*source));
  auto rendered = parsed ? parsed->render({{"user", "Hello"}}, {})
                         : Result<std::vector<inference::TextSpan>>(parsed.error());
  if (rendered) {
    checks.push_back({"template", State::kOk, "parses and renders", ""});
  } else {
    checks.push_back({"template", State::kWarning, rendered.error().message,
                      "ChatML is used instead; answers may be poorer"});
  }
}

Check check_collections(Context& context) {
  auto store = open_store(context);
  if (!store) return {"documents", State::kWarning, store.error().message, "weft index DIR"};
  const auto collections = store->collections();
  if (!collections)
    return {"documents", State::kFailed, collections.error().message, "restore a `weft backup`"};
  std::string found;
  for (const auto& each : *collections) {
    found += (found.empty() ? "" : ", ") + each.name + " (" + std::to_string(each.documents) +
             " documents)";
  }
  if (found.empty()) return {"documents", State::kWarning, "no collection", "weft index DIR"};
  return {"documents", State::kOk, found, ""};
}

Check check_program(const std::string& name, const std::string& purpose,
                    const std::string& package) {
  if (const auto found = find_program(name)) return {name, State::kOk, *found, ""};
  return {name, State::kWarning, "not found; " + purpose + " won't work",
          "apt-get install " + package};
}

Result<ExitCode> run_doctor(Context& context) {
  std::vector<Check> checks;
  checks.push_back({"version", State::kOk, std::string("weft ") + kVersion, ""});
  checks.push_back({"configuration", State::kOk,
                    context.config_file.string() +
                        (std::filesystem::exists(context.config_file) ? "" : " (none; defaults)"),
                    ""});
  checks.push_back(check_cpu(context));
  checks.push_back(check_threads(context));
  checks.push_back(check_disk(context));
  check_model(context, checks);
  checks.push_back(check_collections(context));
  checks.push_back(check_program("pdftotext", "reading PDF files", "poppler-utils"));
  checks.push_back(check_program("python3", "fetching models from PyPI", "python3-pip"));

  Json json = Json::array();
  std::string text;
  bool failed = false;
  for (const Check& check : checks) {
    failed = failed || check.state == State::kFailed;
    json.push_back({{"check", check.name},
                    {"state", to_string(check.state)},
                    {"found", check.found},
                    {"remedy", check.remedy}});
    std::string name = check.name;
    name.resize(std::max<std::size_t>(name.size(), 14), ' ');
    std::string state(to_string(check.state));
    state.resize(8, ' ');
    text += state + name + check.found + "\n";
    if (!check.remedy.empty()) text += "                        try: " + check.remedy + "\n";
  }
  if (context.console.json_result()) {
    context.console.print_json({{"checks", json}, {"ok", !failed}});
  } else {
    context.console.print(text);
  }
  return failed ? ExitCode::kFailed : ExitCode::kDone;
}

}  // namespace

void add_doctor(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("doctor", "Check this machine: model, CPU, disk, helpers");
  add_setting(*verb, parsed, "-m,--model", "model.name");
  verb->callback([&parsed] { parsed.action = run_doctor; });
}

}  // namespace weft::cli
