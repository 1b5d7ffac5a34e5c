#pragma once
// A chat model in memory: weights repacked for this CPU, tokenizer and chat template of one GGUF
// file. Architectures llama and qwen2. Shared by any number of sessions.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/cpu/level.h"
#include "inference/tokenizer.h"

namespace weft::inference {

enum class Architecture : std::uint8_t { kLlama, kQwen2 };
std::string_view to_string(Architecture architecture) noexcept;

/// Hyperparameters, checked against every tensor's shape when the model is loaded.
struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::size_t layers = 0;
  std::size_t width = 0;      // d: embedding_length
  std::size_t ffn_width = 0;  // feed_forward_length
  std::size_t heads = 0;
  std::size_t kv_heads = 0;
  std::size_t head_width = 0;
  std::size_t rope_width = 0;  // leading values of a head that are rotated
  std::size_t vocabulary = 0;
  std::size_t context_length = 0;  // that the model was trained for
  float norm_epsilon = 0;
  float rope_base = 0;
  float rope_position_scale = 1;  // linear scaling: positions are multiplied by it
};

struct ModelOptions {
  cpu::Level level = cpu::best_level();
  std::stop_token stop;  // checked between tensors
  /// Bytes of weights read so far, and of all. Called one at a time, but from any thread.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress;
};

/// Immutable; const members may run at once.
class Model {
 public:
  /// Errors: those of GgufFile::open and Tokenizer::from_gguf; kUnsupported for other
  /// architectures (named); kCorrupt for a missing or misshapen tensor (named); kCancelled.
  static Result<std::shared_ptr<const Model>> load(const std::filesystem::path& path,
                                                   const ModelOptions& options);
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
  cpu::Level level() const noexcept;
  std::size_t weight_bytes() const noexcept;  // in memory

  struct State;  // what the forward pass reads: inference/forward.h
  const State& state() const noexcept { return *state_; }

 private:
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
