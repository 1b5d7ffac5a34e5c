#pragma once
// A chat model in memory: weights repacked for this CPU, tokenizer and chat template of one GGUF
// file. Architectures llama, qwen2, qwen3 and gemma3. Shared by any number of sessions.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/cpu/level.h"
#include "inference/tokenizer.h"

namespace weft::inference {

enum class Architecture : std::uint8_t { kLlama, kQwen2, kQwen3, kGemma3 };
std::string_view to_string(Architecture architecture) noexcept;

enum class Activation : std::uint8_t { kSilu, kGeluTanh };
/// Which values of a head are rotated together: (2i, 2i + 1), or (i, i + half the rotated width).
enum class RopePairing : std::uint8_t { kNeighbours, kHalves };

/// Rotary positions: pair i of position p turns by p * position_scale * base^(-2i / rope_width).
struct RopeConfig {
  float base = 0;
  float position_scale = 1;  // linear scaling

  friend bool operator==(const RopeConfig&, const RopeConfig&) = default;
};

/// What one layer's attention does otherwise than another's.
struct LayerAttention {
  std::size_t window = 0;  // positions a query sees, its own the last of them; 0 = all before it
  std::size_t rope = 0;    // index in ModelConfig::ropes

  friend bool operator==(const LayerAttention&, const LayerAttention&) = default;
};

/// Hyperparameters, checked against every tensor's shape when the model is loaded. What
/// distinguishes the architectures is here as data: the forward pass doesn't ask for their names.
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
  float embedding_scale = 1;  // of the token's row, before the first layer
  float attention_scale = 0;  // of q . k
  Activation activation = Activation::kSilu;
  RopePairing rope_pairing = RopePairing::kNeighbours;
  bool qkv_bias = false;          // required; else used where the file has it
  bool qk_norm = false;           // RMS norm of every head of q and k, before they are rotated
  bool post_norms = false;        // RMS norm of what attention and FFN give, before it is added
  std::vector<RopeConfig> ropes;  // one, or two where layers differ
  std::vector<LayerAttention> attention;  // (layers)
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
