// `weft model`: the models on this machine.

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/model_weights.h"
#include "cli/models.h"
#include "cli/text.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "inference/backend.h"
#include "inference/gguf.h"
#include "inference/safetensors.h"

namespace weft::cli {
namespace {

using inference::ModelEntry;
using inference::PullPhase;
using Json = nlohmann::ordered_json;

constexpr std::size_t kConfigBytesMax = 1 << 20;

/// Files of packed weights beside the model's: see `weft model pack`.
Json packed_names(const ModelEntry& entry) {
  Json names = Json::array();
  if (!entry.present) return names;
  const auto kept = inference::kept_weights(entry.path);
  if (!kept) return names;  // what can't be listed isn't used either
  for (const auto& path : *kept) names.push_back(path.filename().string());
  return names;
}

Json entry_json(const ModelEntry& entry) {
  return {{"name", entry.name},           {"present", entry.present},
          {"known", entry.known},         {"size_bytes", entry.size_bytes},
          {"source", entry.source},       {"sha256", entry.sha256},
          {"licence", entry.licence},     {"licence_url", entry.licence_url},
          {"pulled_at", entry.pulled_at}, {"path", entry.path.string()},
          {"packed", packed_names(entry)}};
}

Result<ExitCode> list(Context& context) {
  WEFT_TRY(tools, ModelTools::open(context));
  WEFT_TRY(entries, tools->store().list());
  Json json = Json::array();
  std::string text;
  for (const ModelEntry& entry : entries) {
    json.push_back(entry_json(entry));
    std::string name = entry.name;
    name.resize(std::max<std::size_t>(name.size(), 24), ' ');
    std::string size = human_bytes(entry.size_bytes);
    size.resize(std::max<std::size_t>(size.size(), 10), ' ');
    text +=
        (entry.present ? "  " : "- ") + name + " " + size + " " + entry.licence +
        (entry.present ? ""
                       : context.console.dim("  (not here: weft model pull " + entry.name + ")")) +
        "\n";
  }
  if (context.console.json_result()) {
    context.console.print_json({{"models", json}});
  } else {
    context.console.print(text);
  }
  return ExitCode::kDone;
}

Result<ExitCode> pull(Context& context, const std::string& source, const std::string& name) {
  WEFT_TRY(tools, ModelTools::open(context, {.fetches = true}));
  Progress progress(context.console, source, Progress::Unit::kBytes);
  inference::PullOptions options;
  options.name = name;
  options.stop = context.stop;
  options.offline = context.config.boolean("network.offline");
  options.on_progress = [&](PullPhase phase, std::uint64_t done, std::uint64_t total) {
    progress.label(source + ": " + std::string(to_string(phase)));
    progress.update(done, total);
  };
  WEFT_TRY(entry, tools->store().pull(source, options));
  progress.clear();
  if (context.console.json_result()) {
    context.console.print_json(entry_json(entry));
  } else {
    context.console.print(
        entry.name + ": " + human_bytes(entry.size_bytes) + " at " + entry.path.string() +
        (entry.licence.empty() ? "" : " (licence: " + entry.licence + ")") + "\n");
  }
  return ExitCode::kDone;
}

Result<ExitCode> verify(Context& context, const std::string& name) {
  WEFT_TRY(tools, ModelTools::open(context));
  Progress progress(context.console, "checking " + name, Progress::Unit::kBytes);
  inference::PullOptions options;
  options.stop = context.stop;
  options.on_progress = [&](PullPhase, std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  WEFT_TRY_VOID(tools->store().verify(name, options));
  progress.clear();
  if (context.console.json_result()) {
    context.console.print_json({{"name", name}, {"verified", true}});
  } else {
    context.console.print(name + ": every byte is as it was pulled\n");
  }
  return ExitCode::kDone;
}

Result<ExitCode> remove(Context& context, const std::string& name) {
  WEFT_TRY(tools, ModelTools::open(context));
  WEFT_TRY_VOID(tools->store().remove(name));
  if (context.console.json_result()) {
    context.console.print_json({{"name", name}, {"removed", true}});
  } else {
    context.console.print(name + ": removed\n");
  }
  return ExitCode::kDone;
}

/// What both kinds of files tell, in the end the same for people and as JSON.
struct Inspected {
  std::string format;         // "GGUF version 3"
  std::uint32_t version = 0;  // of GGUF, else 0
  std::string numerics;       // of results with a GGUF file here; else empty
  Json metadata = Json::object();
  std::uint64_t size_bytes = 0;
  std::uint64_t parameters = 0;
  std::map<std::string, std::size_t> types;
  Json tensors = Json::array();
};

void add_tensor(Inspected& to, const std::string& name, const std::string& type,
                const std::vector<std::uint64_t>& dims, std::uint64_t values,
                std::uint64_t size_bytes) {
  ++to.types[type];
  to.parameters += values;
  to.tensors.push_back(
      {{"name", name}, {"type", type}, {"dims", dims}, {"size_bytes", size_bytes}});
}

Result<Inspected> inspect_gguf(const Context& context, const std::filesystem::path& path) {
  WEFT_TRY(file, inference::GgufFile::open(path));
  Inspected found;
  found.format = "GGUF version " + std::to_string(file.version());
  found.version = file.version();
  found.size_bytes = file.size_bytes();
  const auto kind = file.string("general.type");
  if (!kind || *kind != "adapter") {  // which gives no results alone
    WEFT_TRY(backend, open_backend(context));
    WEFT_TRY(weights, fingerprint(file));
    found.numerics = to_string(backend->numerics(weights));
  }
  for (const auto key : file.keys()) found.metadata[std::string(key)] = file.describe(key);
  for (const auto& tensor : file.tensors()) {
    add_tensor(found, tensor.name, std::string(to_string(tensor.type)), tensor.dims,
               tensor.row_length() * tensor.rows(), tensor.size_bytes);
  }
  return found;
}

/// A folder with a safetensors file, of a model or an adapter, or such a file.
Result<Inspected> inspect_safetensors(const Context& context, const std::filesystem::path& path) {
  auto weights = std::filesystem::is_directory(path) ? path / "model.safetensors" : path;
  const auto adapter = path / "adapter_model.safetensors";
  if (std::filesystem::exists(adapter)) weights = adapter;
  WEFT_TRY(file, inference::SafetensorsFile::open(weights));
  Inspected found;
  found.format = "safetensors";
  found.size_bytes = file.size_bytes();
  for (const auto& [key, value] : file.metadata()) found.metadata[key] = value;
  for (const auto& tensor : file.tensors()) {
    add_tensor(found, tensor.name, tensor.dtype, tensor.shape, tensor.row_length() * tensor.rows(),
               tensor.size_bytes);
  }
  const bool is_adapter = weights.filename() == "adapter_model.safetensors";
  const auto config = weights.parent_path() / (is_adapter ? "adapter_config.json" : "config.json");
  if (!std::filesystem::exists(config)) return found;
  WEFT_TRY(text, read_input(context, config.string(), kConfigBytesMax));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    return Error{ErrorCode::kCorrupt, config.string() + " isn't a JSON object"};
  }
  for (const auto& [key, value] : json.items()) {
    found.metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return found;
}

Result<ExitCode> inspect(Context& context, const std::string& name, bool with_tensors) {
  WEFT_TRY(tools, ModelTools::open(context));
  WEFT_TRY(path, tools->store().path_of(name));
  const bool is_safetensors =
      std::filesystem::is_directory(path) || path.extension() == ".safetensors";
  WEFT_TRY(found,
           is_safetensors ? inspect_safetensors(context, path) : inspect_gguf(context, path));
  if (context.console.json_result()) {
    Json json = {{"path", path.string()},          {"format", found.format},
                 {"size_bytes", found.size_bytes}, {"parameters", found.parameters},
                 {"tensor_types", found.types},    {"metadata", std::move(found.metadata)}};
    if (found.version != 0) json["version"] = found.version;
    if (!found.numerics.empty()) json["numerics"] = found.numerics;
    if (with_tensors) json["tensors"] = std::move(found.tensors);
    context.console.print_json(json);
    return ExitCode::kDone;
  }
  std::string text = path.string() + "\n" + found.format + ", " + human_bytes(found.size_bytes) +
                     ", " + std::to_string(found.parameters / 1'000'000) + " M parameters, " +
                     std::to_string(found.tensors.size()) + " tensors:";
  for (const auto& [type, count] : found.types) text += " " + type + " " + std::to_string(count);
  if (!found.numerics.empty()) text += "\nnumerics: " + found.numerics;
  text += "\n\n";
  for (const auto& [key, value] : found.metadata.items()) {
    text += key + " = " + printable(value.get<std::string>()) + "\n";
  }
  if (with_tensors) text += "\n";
  for (const Json& tensor : found.tensors) {
    if (!with_tensors) break;
    std::string dims;
    for (const auto& dim : tensor.at("dims")) dims += (dims.empty() ? "" : " x ") + dim.dump();
    text += printable(tensor.at("name").get<std::string>()) + "  " +
            tensor.at("type").get<std::string>() + "  " + dims + "\n";
  }
  context.console.print(text);
  return ExitCode::kDone;
}

}  // namespace

void add_model(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand(
      "model", "List, fetch, look into, check, remove, pack, quantise and merge models");
  verb->require_subcommand(1);
  const auto name = std::make_shared<std::string>();
  const auto local_name = std::make_shared<std::string>();
  const auto tensors = std::make_shared<bool>(false);

  verb->add_subcommand("list", "List known models and those that are here")->callback([&parsed] {
    parsed.action = [](Context& context) { return list(context); };
  });

  auto* pull_verb = verb->add_subcommand("pull", "Fetch a model");
  pull_verb
      ->add_option(
          "source", *name,
          "A known name (see `weft model list`), a GGUF file, an embedding model's folder, "
          "or hf:OWNER/REPO/FILE")
      ->required();
  pull_verb->add_option("--name", *local_name, "Keep a file or hf: model under this name")
      ->type_name("NAME");
  pull_verb->callback([&parsed, name, local_name] {
    parsed.action = [=](Context& context) { return pull(context, *name, *local_name); };
  });

  auto* inspect_verb = verb->add_subcommand("inspect", "Show a model file's metadata and formats");
  inspect_verb
      ->add_option("name", *name,
                   "A model here, a GGUF file, or the folder of an embedding model or an adapter")
      ->required();
  inspect_verb->add_flag("--tensors", *tensors, "List every tensor");
  inspect_verb->callback([&parsed, name, tensors] {
    parsed.action = [=](Context& context) { return inspect(context, *name, *tensors); };
  });

  auto* verify_verb = verb->add_subcommand("verify", "Compare a model's bytes with its checksum");
  verify_verb->add_option("name", *name, "A model here")->required();
  verify_verb->callback([&parsed, name] {
    parsed.action = [=](Context& context) { return verify(context, *name); };
  });

  auto* remove_verb = verb->add_subcommand("rm", "Delete a model");
  remove_verb->add_option("name", *name, "A model here")->required();
  remove_verb->callback([&parsed, name] {
    parsed.action = [=](Context& context) { return remove(context, *name); };
  });

  add_model_pack(*verb, parsed);
  add_model_quantize(*verb, parsed);
  add_model_merge(*verb, parsed);
  add_model_diff(*verb, parsed);
}

}  // namespace weft::cli
