// `weft config show`: every setting, its value and where it came from.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_value(const Value& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

std::vector<std::string> keys_of(const Config& config) {
  std::vector<std::string> keys;
  for (const Setting& setting : settings()) keys.emplace_back(setting.key);
  for (const std::string& name : config.remotes()) {
    for (const Setting& setting : remote_settings()) {
      keys.push_back("remote." + name + "." + std::string(setting.key));
    }
  }
  return keys;
}

Result<ExitCode> show(Context& context, bool with_origin) {
  Json json = Json::object();
  std::string text;
  std::string section;
  for (const std::string& key : keys_of(context.config)) {
    const auto& entry = context.config.entry(key);
    if (context.console.json_result()) {
      json[key] = with_origin ? Json{{"value", json_value(entry.value)}, {"origin", entry.origin}}
                              : json_value(entry.value);
      continue;
    }
    const std::string group = key.substr(0, key.rfind('.'));
    if (group != section) text += (section.empty() ? "[" : "\n[") + group + "]\n";
    section = group;
    const std::string line = key.substr(group.size() + 1) + " = " + json_value(entry.value).dump();
    text += line;
    if (with_origin)
      text += std::string(line.size() < 40 ? 40 - line.size() : 1, ' ') + "# " + entry.origin;
    text += "\n";
  }
  if (context.console.json_result()) {
    context.console.print_json(json);
  } else {
    context.console.print(text);
    if (with_origin) context.console.note("configuration file: " + context.config_file.string());
  }
  return ExitCode::kDone;
}

}  // namespace

void add_config(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("config", "Show the settings: file, environment and flags");
  verb->require_subcommand(1);
  auto* show_verb =
      verb->add_subcommand("show", "Print every setting as the TOML that would set it");
  const auto origin = std::make_shared<bool>(false);
  show_verb->add_flag("--origin", *origin, "Say where each value comes from");
  show_verb->callback([&parsed, origin] {
    parsed.action = [origin](Context& context) { return show(context, *origin); };
  });
}

}  // namespace weft::cli
