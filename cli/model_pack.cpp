// `weft model pack`: a model's weights as they lie in memory, kept on disk for a faster start.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/model_weights.h"
#include "cli/models.h"
#include "cli/text.h"
#include "inference/model.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

Result<ExitCode> remove_packed(Context& context, const std::string& name,
                               const std::filesystem::path& model) {
  WEFT_TRY(kept, inference::kept_weights(model));
  Json removed = Json::array();
  for (const auto& path : kept) {
    std::error_code failed;
    std::filesystem::remove(path, failed);
    if (failed) {
      return Error{ErrorCode::kIo, "cannot remove " + path.string() + ": " + failed.message()};
    }
    removed.push_back(path.string());
  }
  if (context.console.json_result()) {
    context.console.print_json({{"name", name}, {"removed", std::move(removed)}});
  } else {
    context.console.print(name + ": " +
                          (kept.empty() ? "nothing is packed" : "packed weights removed") + "\n");
  }
  return ExitCode::kDone;
}

Result<ExitCode> pack(Context& context, const std::string& name, bool removes) {
  WEFT_TRY(tools, ModelTools::open(context));
  WEFT_TRY(path, tools->store().path_of(name));
  if (std::filesystem::is_directory(path)) {
    return Error{ErrorCode::kUnsupported,
                 "\"" + name + "\" is an embedding model, which is loaded as it lies there"};
  }
  if (removes) return remove_packed(context, name, path);
  WEFT_TRY(backend, open_backend(context));
  Progress progress(context.console, "loading " + name, Progress::Unit::kBytes);
  inference::LoadOptions options;
  options.stop = context.stop;
  options.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  WEFT_TRY(model, inference::Model::load(path, *backend, options));
  progress.label("packing " + name);
  WEFT_TRY(kept, model->weights().keep(options));
  progress.clear();
  const auto bytes = model->weights().size_bytes();
  if (context.console.json_result()) {
    context.console.print_json({{"name", name},
                                {"path", kept.string()},
                                {"size_bytes", bytes},
                                {"backend", model->backend()}});
  } else {
    context.console.print(name + ": packed for " + model->backend() + ", " + human_bytes(bytes) +
                          " at " + kept.string() + "\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_model_pack(CLI::App& model, Parsed& parsed) {
  auto* verb = model.add_subcommand(
      "pack", "Keep a model's weights on disk as they lie in memory: a faster start");
  const auto name = std::make_shared<std::string>();
  const auto removes = std::make_shared<bool>(false);
  verb->add_option("name", *name, "A model here, or a GGUF file")->required();
  verb->add_flag("--remove", *removes, "Delete what was kept, for any CPU level");
  verb->footer(
      "It takes as much of the disk as the model again. It is of this machine's CPU level\n"
      "(WEFT_CPU) and of the model's file as it is: pack again after either has changed.");
  verb->callback([&parsed, name, removes] {
    parsed.action = [=](Context& context) { return pack(context, *name, *removes); };
  });
}

}  // namespace weft::cli
