#pragma once
// The hyperparameters of a chat model. Architectures llama, qwen2, qwen3 and gemma3.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::inference {

class GgufFile;

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

inline constexpr std::size_t kLayersMax = 1024;
inline constexpr std::size_t kWidthMax = 1 << 16;
inline constexpr std::size_t kFfnWidthMax = 1 << 20;
inline constexpr std::size_t kHeadsMax = 1024;
inline constexpr std::size_t kHeadWidthMax = 512;
inline constexpr std::size_t kHeadWidthStep = 16;  // a vector of the attention kernels
inline constexpr std::size_t kVocabularyMax = 1 << 22;
inline constexpr std::size_t kContextLengthMax = 1 << 24;

/// `vocabulary` is the tokenizer's. Errors: kUnsupported names the architecture, the scaling or
/// the width that isn't read here; kCorrupt and kNotFound name the key.
Result<ModelConfig> read_config(const GgufFile& file, std::size_t vocabulary);

}  // namespace weft::inference
