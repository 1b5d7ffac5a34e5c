#pragma once
// A chat model in memory: weights on a backend, tokenizer and chat template of one GGUF file.
// Architectures llama, qwen2, qwen3 and gemma3. Shared by any number of sessions.

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "inference/backend.h"
#include "inference/chat_template.h"
#include "inference/model_config.h"
#include "inference/tokenizer.h"

namespace weft::inference {

/// Immutable; const members may run at once.
class Model {
 public:
  /// Errors: those of GgufFile::open, Tokenizer::from_gguf and Backend::load; kUnsupported for
  /// other architectures (named); kCorrupt for a missing or misshapen tensor (named).
  static Result<std::shared_ptr<const Model>> load(const std::filesystem::path& path,
                                                   const Backend& backend,
                                                   const LoadOptions& options = {});
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const noexcept;
  const Tokenizer& tokenizer() const noexcept;
  /// The file's template; ChatML if it has none or one that doesn't parse (see template_warning).
  const ChatTemplate& chat_template() const noexcept;
  /// Why the file's own template isn't used; empty if it is.
  const std::string& template_warning() const noexcept;
  const std::filesystem::path& path() const noexcept;
  const std::string& backend() const noexcept;  // its name
  const NumericsId& numerics() const noexcept;
  const Weights& weights() const noexcept;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
