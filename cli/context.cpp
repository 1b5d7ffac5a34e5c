#include "cli/context.h"

#include <algorithm>
#include <chrono>

#include "cli/collections.h"
#include "cli/models.h"
#include "cli/remote.h"

namespace weft::cli {

std::size_t Engine::context_length(const Config& config) const {
  return std::min(static_cast<std::size_t>(config.integer("engine.context")),
                  model->config().context_length);
}

Result<std::shared_ptr<const inference::Backend>> open_backend(const Context& context) {
  const Config& config = context.config;
  return inference::open_backend(
      {.cpu_level = config.string("engine.cpu"),
       .threads = static_cast<std::size_t>(config.integer("engine.threads")),
       .kv = config.string("engine.kv") == "q8_0" ? inference::KvType::kQ8_0
                                                  : inference::KvType::kF16});
}

Result<std::filesystem::path> model_path(const Context& context) {
  if (remote_name(context.config)) {
    return Error{
        ErrorCode::kUnsupported,
        context.config.string("model.name") +
            " is a remote model: ask, chat, complete and run take one; this needs the file "
            "of a model"};
  }
  WEFT_TRY(tools, ModelTools::open(context));
  const std::string& name = context.config.string("model.name");
  WEFT_TRY(path, tools->store().path_of(name));
  if (std::filesystem::is_directory(path)) {
    return Error{ErrorCode::kInvalidArgument, "\"" + name + "\" isn't a chat model"};
  }
  return path;
}

Result<Engine> load_engine(Context& context, const EngineUse& use) {
  const auto start = std::chrono::steady_clock::now();
  Engine engine;
  engine.name = context.config.string("model.name");
  WEFT_TRY(path, model_path(context));
  WEFT_TRY(backend, open_backend(context));
  Progress progress(context.console, "loading " + engine.name, Progress::Unit::kBytes);
  inference::LoadOptions options;
  options.stop = context.stop;
  options.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  WEFT_TRY(model, inference::Model::load(path, *backend, options));
  engine.model = std::move(model);
  engine.prefixes = std::make_unique<inference::PrefixCache>(
      static_cast<std::size_t>(context.config.integer("engine.prefix_cache_mb")) << 20);
  progress.clear();
  if (use.chat && !engine.model->template_warning().empty()) {
    context.console.warn(engine.model->template_warning() +
                         ": ChatML is used; weft complete --raw continues text as it stands, "
                         "which is what base models are made for");
  }
  engine.load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return engine;
}

retrieval::StopWords stop_words(const Config& config) {
  return config.string("retrieval.stop_words") == "none" ? retrieval::StopWords::kKeep
                                                         : retrieval::StopWords::kDropEnglish;
}

Result<retrieval::CollectionStore> open_store(const Context& context) {
  const auto path = context.data_home / "weft.db";
  if (!std::filesystem::exists(path)) {
    return Error{ErrorCode::kNotFound,
                 "nothing is indexed yet (no " + path.string() + "); start with: weft index DIR"};
  }
  return retrieval::CollectionStore::open(path, retrieval::CollectionStore::Mode::kRead);
}

}  // namespace weft::cli
