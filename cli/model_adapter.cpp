// `weft model adapter`: what a LoRA adapter changes, and the manifest that says which models it
// goes with.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/model_weights.h"
#include "cli/models.h"
#include "cli/text.h"
#include "inference/adapter/adapter.h"
#include "inference/adapter/adapter_manifest.h"
#include "inference/model_config.h"

namespace weft::cli {
namespace {

using inference::Adapter;
using inference::AdapterManifest;
using inference::AdapterModule;
using inference::GgufFile;
using Json = nlohmann::ordered_json;

struct Options {
  std::string adapter;
  std::string base;
  bool writes = false;
  std::string residual_base;  // "yes", "no", or empty: as it is
  std::string initial;
};

struct Base {
  std::string name;
  std::filesystem::path path;
  std::string fingerprint;
  inference::ModelConfig config;
};

Result<Base> open_base(const std::string& name, const std::filesystem::path& path) {
  WEFT_TRY(file, GgufFile::open(path));
  const auto* embedding = file.tensor("token_embd.weight");
  if (embedding == nullptr) {
    return Error{ErrorCode::kUnsupported,
                 name + " has no token_embd.weight: it isn't a chat model that adapters change"};
  }
  WEFT_TRY(config, read_config(file, embedding->rows()));
  WEFT_TRY(print, fingerprint(file));
  return Base{name, path, std::move(print), std::move(config)};
}

/// The model that --base names, or else one here that the manifest does.
Result<Base> find_base(const Context& context, const Options& options,
                       const AdapterManifest& manifest) {
  WEFT_TRY(tools, ModelTools::open(context));
  if (!options.base.empty()) {
    WEFT_TRY(path, tools->store().path_of(options.base));
    return open_base(options.base, path);
  }
  WEFT_TRY(entries, tools->store().list());
  for (const auto& entry : entries) {
    if (!entry.present || entry.path.extension() != ".gguf") continue;
    const auto base = open_base(entry.name, entry.path);
    if (!base) continue;  // an encoder, say
    if (std::ranges::find(manifest.bases, base->fingerprint) != manifest.bases.end()) return base;
  }
  return Error{ErrorCode::kInvalidArgument,
               manifest.bases.empty()
                   ? "no manifest says which model the adapter was made for: name it with --base"
                   : "none of the manifest's models is here: name one of its shape with --base"};
}

Result<void> write(const Options& options, const Base& base, AdapterManifest manifest) {
  if (std::ranges::find(manifest.bases, base.fingerprint) == manifest.bases.end()) {
    manifest.bases.push_back(base.fingerprint);
  }
  if (!options.residual_base.empty()) manifest.has_residual_base = options.residual_base == "yes";
  if (!options.initial.empty()) {
    const auto folder = inference::adapter_manifest_path(options.adapter).parent_path();
    manifest.initial = std::filesystem::proximate(options.initial, folder).string();
  }
  return write_adapter_manifest(options.adapter, manifest);
}

std::size_t parameters(const Adapter& adapter) {
  std::size_t sum = 0;
  for (const AdapterModule& module : adapter.modules) {
    sum += module.change.a.size() + module.change.b.size();
  }
  return sum;
}

Json modules_json(const Adapter& adapter) {
  Json modules = Json::array();
  for (const auto& [change, scale] : adapter.modules) {
    modules.push_back({{"layer", change.layer},
                       {"linear", to_string(change.linear)},
                       {"rank", change.rank},
                       {"scale", scale}});
  }
  return modules;
}

/// A line for the layers of each linear layer that have the same rank and scale.
std::string modules_text(const Adapter& adapter) {
  std::map<std::tuple<inference::Linear, std::size_t, float>, std::size_t> counts;
  for (const auto& [change, scale] : adapter.modules) {
    ++counts[{change.linear, change.rank, scale}];
  }
  std::string text;
  for (const auto& [kind, count] : counts) {
    const auto& [linear, rank, scale] = kind;
    std::string name(to_string(linear));
    name.resize(std::max<std::size_t>(name.size(), 12), ' ');
    text += "  " + name + " rank " + std::to_string(rank) + ", scale " +
            fixed(static_cast<double>(scale), 4) + ", in " + std::to_string(count) +
            (count == 1 ? " layer\n" : " layers\n");
  }
  return text;
}

Result<ExitCode> run_adapter(Context& context, const Options& options) {
  if (!options.writes && !(options.residual_base.empty() && options.initial.empty())) {
    return Error{ErrorCode::kInvalidArgument,
                 "--residual-base and --initial change the manifest: add --write"};
  }
  WEFT_TRY(manifest, inference::read_adapter_manifest(options.adapter));
  WEFT_TRY(base, find_base(context, options, manifest));
  // It has to fit the model before a manifest says so.
  WEFT_TRY(adapter, inference::read_adapter(options.adapter, base.config));
  if (options.writes) {
    WEFT_TRY_VOID(write(options, base, manifest));
    WEFT_TRY(again, inference::read_adapter(options.adapter, base.config));
    adapter = std::move(again);
  }
  const auto checked = check_base(adapter, base.fingerprint, base.path);
  const auto path = inference::adapter_manifest_path(options.adapter);
  const bool has_manifest = std::filesystem::exists(path);
  if (context.console.json_result()) {
    Json json = {{"path", options.adapter},
                 {"manifest", has_manifest ? Json(path.string()) : Json()},
                 {"bases", adapter.bases},
                 {"residual_base", adapter.has_residual_base},
                 {"base", {{"name", base.name}, {"fingerprint", base.fingerprint}}},
                 {"goes_with_base", static_cast<bool>(checked)},
                 {"scale_rule", adapter.scale_rule},
                 {"parameters", parameters(adapter)},
                 {"digest", adapter.digest},
                 {"modules", modules_json(adapter)}};
    if (!checked) json["reason"] = checked.error().message;
    context.console.print_json(json);
  } else {
    std::string text = options.adapter + ": " + std::to_string(adapter.modules.size()) +
                       " modules, " + std::to_string(parameters(adapter)) +
                       " parameters, scale = " + adapter.scale_rule + "\n" + modules_text(adapter) +
                       (has_manifest ? "manifest: " + path.string() : "no manifest") + "\n";
    for (const std::string& each : adapter.bases) {
      text += "  base " + each + (each == base.fingerprint ? " (" + base.name + ")" : "") + "\n";
    }
    if (adapter.has_residual_base) text += "  trained on a residual of its base\n";
    context.console.print(
        text + (checked ? "it goes with " + base.name + "\n" : checked.error().message + "\n"));
  }
  return checked ? ExitCode::kDone : ExitCode::kFailed;
}

}  // namespace

void add_model_adapter(CLI::App& model, Parsed& parsed) {
  auto* verb = model.add_subcommand(
      "adapter", "Show what a LoRA adapter changes, check its manifest against a model, write it");
  const auto options = std::make_shared<Options>();
  verb->add_option("adapter", options->adapter, "A GGUF file, or a folder of PEFT's")
      ->required()
      ->type_name("FILE");
  verb->add_option("--base", options->base,
                   "The model that it is to change: one here or a GGUF file; else one here that "
                   "its manifest names")
      ->type_name("MODEL");
  verb->add_flag("--write", options->writes,
                 "Add the base to the manifest, which is made if there is none");
  verb->add_option("--residual-base", options->residual_base,
                   "With --write: whether it was trained on a residual of the weights, as PiSSA's "
                   "are; the base is then that residual")
      ->check(CLI::IsMember({"yes", "no"}));
  verb->add_option("--initial", options->initial,
                   "With --write: the adapter that was subtracted from the base to get that "
                   "residual; the base is then the whole model")
      ->type_name("FILE");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_adapter(context, *options); };
  });
}

}  // namespace weft::cli
