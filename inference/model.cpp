#include "inference/model.h"

#include <future>
#include <optional>
#include <utility>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "inference/gguf.h"
#include "inference/model_tensors.h"

namespace weft::inference {
namespace {

/// The file's own template, or ChatML and the reason.
std::pair<ChatTemplate, std::string> read_template(const GgufFile& file) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  if (!file.has(kKey)) return {ChatTemplate::chatml(), "the file has no chat template"};
  const auto source = file.string(kKey);
  if (!source) return {ChatTemplate::chatml(), source.error().message};
  auto parsed = ChatTemplate::parse(std::string(*source));
  if (!parsed) return {ChatTemplate::chatml(), parsed.error().message};
  return {*std::move(parsed), std::string()};
}

}  // namespace

struct Model::State {
  State(GgufFile gguf, ChatTemplate chat) : file(std::move(gguf)), chat_template(std::move(chat)) {}

  ModelConfig config;
  GgufFile file;  // stays open: backends read rows of the embedding when a token needs them
  std::optional<Tokenizer> tokenizer;  // there once the model is loaded
  ChatTemplate chat_template;
  std::string template_warning;
  std::string backend;
  NumericsId numerics;
  std::unique_ptr<const Weights> weights;  // borrows `file`
};

Result<std::shared_ptr<const Model>> Model::load(const std::filesystem::path& path,
                                                 const Backend& backend,
                                                 const LoadOptions& options) {
  WEFT_TRY(file, GgufFile::open(path));
  auto [chat, warning] = read_template(file);
  auto state = std::make_unique<State>(std::move(file), std::move(chat));
  state->template_warning = std::move(warning);
  state->backend = backend.name();
  const GgufFile& opened = state->file;
  // Beside the weights: it takes as long as a third of them.
  auto tokenizer =
      std::async(std::launch::async, [&opened] { return Tokenizer::from_gguf(opened); });
  const auto load = [&]() -> Result<void> {
    const auto texts = opened.strings("tokenizer.ggml.tokens");
    WEFT_TRY(config, read_config(opened, texts ? texts->size() : 0));
    state->config = std::move(config);
    WEFT_TRY(tensors, find_tensors(opened, state->config));
    WEFT_TRY(print, fingerprint(opened));
    state->numerics = backend.numerics(print);
    LoadOptions all = options;
    all.fingerprint = std::move(print);
    WEFT_TRY(weights, backend.load(opened, state->config, tensors, all));
    state->weights = std::move(weights);
    return {};
  };
  auto loaded = load();
  // A broken vocabulary is the first thing to say: the configuration is checked against it.
  WEFT_TRY(vocabulary, tokenizer.get());
  if (!loaded) return std::move(loaded).error().with_context("model " + path.string());
  state->tokenizer = std::move(vocabulary);
  state->file.forget_metadata();
#if defined(__GLIBC__)
  malloc_trim(0);  // what building the vocabulary took, which the library would keep
#endif
  return std::shared_ptr<const Model>(new Model(std::move(state)));
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

const ModelConfig& Model::config() const noexcept { return state_->config; }
const Tokenizer& Model::tokenizer() const noexcept { return *state_->tokenizer; }
const ChatTemplate& Model::chat_template() const noexcept { return state_->chat_template; }
const std::string& Model::template_warning() const noexcept { return state_->template_warning; }
const std::filesystem::path& Model::path() const noexcept { return state_->file.path(); }
const std::string& Model::backend() const noexcept { return state_->backend; }
const NumericsId& Model::numerics() const noexcept { return state_->numerics; }
const Weights& Model::weights() const noexcept { return *state_->weights; }

}  // namespace weft::inference
