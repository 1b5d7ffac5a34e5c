#include "inference/model.h"

#include <optional>
#include <utility>

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
  State(GgufFile gguf, Tokenizer vocabulary, ChatTemplate chat)
      : file(std::move(gguf)), tokenizer(std::move(vocabulary)), chat_template(std::move(chat)) {}

  ModelConfig config;
  GgufFile file;  // stays open: backends read rows of the embedding when a token needs them
  Tokenizer tokenizer;
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
  WEFT_TRY(tokenizer, Tokenizer::from_gguf(file));
  auto [chat, warning] = read_template(file);
  auto state = std::make_unique<State>(std::move(file), std::move(tokenizer), std::move(chat));
  state->template_warning = std::move(warning);
  state->backend = backend.name();
  const auto load = [&]() -> Result<void> {
    WEFT_TRY(config, read_config(state->file, state->tokenizer.size()));
    state->config = std::move(config);
    WEFT_TRY(tensors, find_tensors(state->file, state->config));
    WEFT_TRY(print, fingerprint(state->file));
    state->numerics = backend.numerics(print);
    WEFT_TRY(weights, backend.load(state->file, state->config, tensors, options));
    state->weights = std::move(weights);
    return {};
  };
  if (auto done = load(); !done) {
    return std::move(done).error().with_context("model " + path.string());
  }
  return std::shared_ptr<const Model>(new Model(std::move(state)));
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

const ModelConfig& Model::config() const noexcept { return state_->config; }
const Tokenizer& Model::tokenizer() const noexcept { return state_->tokenizer; }
const ChatTemplate& Model::chat_template() const noexcept { return state_->chat_template; }
const std::string& Model::template_warning() const noexcept { return state_->template_warning; }
const std::filesystem::path& Model::path() const noexcept { return state_->file.path(); }
const std::string& Model::backend() const noexcept { return state_->backend; }
const NumericsId& Model::numerics() const noexcept { return state_->numerics; }
const Weights& Model::weights() const noexcept { return *state_->weights; }

}  // namespace weft::inference
