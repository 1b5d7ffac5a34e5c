#include "inference/model_config.h"

#include <cmath>
#include <string>

#include "inference/gguf.h"

namespace weft::inference {
namespace {

/// Reads the keys of one architecture: "llama." and so on.
class Keys {
 public:
  Keys(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + '.') {}

  bool has(std::string_view key) const { return file_.has(prefix_ + std::string(key)); }

  Result<std::size_t> count(std::string_view key, std::size_t max) const {
    const std::string name = prefix_ + std::string(key);
    WEFT_TRY(value, file_.unsigned_integer(name));
    if (value == 0 || value > max) {
      return Error{ErrorCode::kCorrupt, name + " is " + std::to_string(value) +
                                            "; it must be 1 to " + std::to_string(max)};
    }
    return static_cast<std::size_t>(value);
  }
  Result<std::size_t> count_or(std::string_view key, std::size_t max, std::size_t fallback) const {
    if (!has(key)) return fallback;
    return count(key, max);
  }

  /// A finite number above 0.
  Result<float> positive(std::string_view key) const {
    const std::string name = prefix_ + std::string(key);
    WEFT_TRY(value, file_.number(name));
    const auto narrow = static_cast<float>(value);
    if (!std::isfinite(narrow) || !(narrow > 0)) {
      return Error{ErrorCode::kCorrupt,
                   name + " is " + std::to_string(value) + "; it must be finite and above 0"};
    }
    return narrow;
  }
  Result<float> positive_or(std::string_view key, float fallback) const {
    if (!has(key)) return fallback;
    return positive(key);
  }

  Result<double> number(std::string_view key) const { return file_.number(name(key)); }
  Result<std::string_view> string(std::string_view key) const {
    return file_.string(prefix_ + std::string(key));
  }
  std::string name(std::string_view key) const { return prefix_ + std::string(key); }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

/// What an architecture's name says, beyond the keys of the file.
struct Family {
  Architecture architecture;
  std::string_view name;
  RopePairing pairing = RopePairing::kHalves;
  Activation activation = Activation::kSilu;
  bool qkv_bias = false;
  bool qk_norm = false;
  bool post_norms = false;
  bool scaled_embeddings = false;  // by the square root of their width
  bool windows = false;            // most layers see the last positions only
};
constexpr Family kFamilies[] = {
    // The llama converter permutes q and k so that neighbours are rotated together.
    {.architecture = Architecture::kLlama, .name = "llama", .pairing = RopePairing::kNeighbours},
    {.architecture = Architecture::kQwen2, .name = "qwen2", .qkv_bias = true},
    {.architecture = Architecture::kQwen3, .name = "qwen3", .qk_norm = true},
    {.architecture = Architecture::kGemma3,
     .name = "gemma3",
     .activation = Activation::kGeluTanh,
     .qk_norm = true,
     .post_norms = true,
     .scaled_embeddings = true,
     .windows = true},
};

Result<const Family*> read_family(const GgufFile& file) {
  WEFT_TRY(name, file.string("general.architecture"));
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.name == name) return &family;
    known += (known.empty() ? "" : ", ") + std::string(family.name);
  }
  return Error{ErrorCode::kUnsupported,
               "general.architecture is '" + std::string(name) + "'; this engine runs " + known};
}

Result<void> read_heads(const Keys& keys, ModelConfig& config) {
  WEFT_TRY(heads, keys.count("attention.head_count", kHeadsMax));
  WEFT_TRY(kv_heads, keys.count_or("attention.head_count_kv", kHeadsMax, heads));
  if (heads % kv_heads != 0) {
    return Error{ErrorCode::kCorrupt, keys.name("attention.head_count") + " " +
                                          std::to_string(heads) + " isn't a multiple of " +
                                          keys.name("attention.head_count_kv") + " " +
                                          std::to_string(kv_heads)};
  }
  if (!keys.has("attention.key_length") && config.width % heads != 0) {
    return Error{ErrorCode::kCorrupt, keys.name("embedding_length") + " " +
                                          std::to_string(config.width) +
                                          " isn't a multiple of the " + std::to_string(heads) +
                                          " heads, and there is no key_length"};
  }
  WEFT_TRY(key_width, keys.count_or("attention.key_length", kHeadWidthMax, config.width / heads));
  WEFT_TRY(value_width, keys.count_or("attention.value_length", kHeadWidthMax, key_width));
  if (key_width != value_width) {
    return Error{ErrorCode::kUnsupported,
                 keys.name("attention.value_length") + " " + std::to_string(value_width) +
                     " differs from key_length " + std::to_string(key_width)};
  }
  if (key_width > kHeadWidthMax || key_width % kHeadWidthStep != 0) {
    return Error{ErrorCode::kUnsupported, "heads of " + std::to_string(key_width) +
                                              " values: this engine runs multiples of " +
                                              std::to_string(kHeadWidthStep) + " up to " +
                                              std::to_string(kHeadWidthMax)};
  }
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_width = key_width;
  return {};
}

Result<void> read_rope(const Keys& keys, ModelConfig& config) {
  WEFT_TRY(width, keys.count_or("rope.dimension_count", kHeadWidthMax, config.head_width));
  if (width % 2 != 0 || width > config.head_width) {
    return Error{ErrorCode::kCorrupt, keys.name("rope.dimension_count") + " is " +
                                          std::to_string(width) +
                                          "; it must be even and at most the head width " +
                                          std::to_string(config.head_width)};
  }
  WEFT_TRY(base, keys.positive_or("rope.freq_base", 10000.0F));
  std::string_view scaling = "none";
  if (keys.has("rope.scaling.type")) {
    WEFT_TRY(type, keys.string("rope.scaling.type"));
    scaling = type;
  }
  float factor = 1;
  if (scaling == "linear") {
    WEFT_TRY(value, keys.positive("rope.scaling.factor"));
    factor = value;
  } else if (scaling != "none") {
    return Error{ErrorCode::kUnsupported, keys.name("rope.scaling.type") + " is '" +
                                              std::string(scaling) +
                                              "'; this engine knows none and linear"};
  }
  config.rope_width = width;
  config.ropes = {{.base = base, .position_scale = 1 / factor}};
  return {};
}

/// Gemma 3: five layers that see a window, turning as short contexts do, then one that sees all.
/// Some models of the family have no windows, and no key for them.
Result<void> read_windows(const Keys& keys, ModelConfig& config) {
  constexpr std::size_t kPeriod = 6;
  constexpr float kLocalBase = 10000;
  if (!keys.has("attention.sliding_window")) return {};
  WEFT_TRY(window, keys.count("attention.sliding_window", kContextLengthMax));
  WEFT_TRY(period, keys.count_or("attention.sliding_window_pattern", kLayersMax, kPeriod));
  WEFT_TRY(base, keys.positive_or("rope.freq_base_swa", kLocalBase));
  config.ropes.push_back({.base = base});
  for (std::size_t i = 0; i < config.layers; ++i) {
    if (i % period + 1 < period) config.attention[i] = {.window = window, .rope = 1};
  }
  return {};
}

/// Caps on scores and logits would change every result: nothing here computes them.
Result<void> refuse_soft_caps(const Keys& keys) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (!keys.has(key)) continue;
    WEFT_TRY(cap, keys.number(key));
    if (cap != 0) {
      return Error{ErrorCode::kUnsupported, keys.name(key) + " is " + std::to_string(cap) +
                                                "; this engine has no soft caps"};
    }
  }
  return {};
}

float attention_scale(const ModelConfig& config) {
  // Gemma 3 27B, told by its depth alone, divides by the root of d / heads; no key says so.
  constexpr std::size_t kGemma27bLayers = 62;
  const bool by_width =
      config.architecture == Architecture::kGemma3 && config.layers == kGemma27bLayers;
  return 1 /
         std::sqrt(static_cast<float>(by_width ? config.width / config.heads : config.head_width));
}

}  // namespace

std::string_view to_string(Architecture architecture) noexcept {
  for (const Family& family : kFamilies) {
    if (family.architecture == architecture) return family.name;
  }
  return "?";  // not reached: all have their line
}

Result<ModelConfig> read_config(const GgufFile& file, std::size_t vocabulary) {
  ModelConfig config;
  WEFT_TRY(family, read_family(file));
  config.architecture = family->architecture;
  config.activation = family->activation;
  config.rope_pairing = family->pairing;
  config.qkv_bias = family->qkv_bias;
  config.qk_norm = family->qk_norm;
  config.post_norms = family->post_norms;
  const Keys keys(file, family->name);
  if (keys.has("expert_count")) {
    WEFT_TRY(experts, file.unsigned_integer(keys.name("expert_count")));
    if (experts != 0) {
      return Error{ErrorCode::kUnsupported, keys.name("expert_count") + " is " +
                                                std::to_string(experts) +
                                                "; this engine runs dense models"};
    }
  }
  WEFT_TRY(layers, keys.count("block_count", kLayersMax));
  WEFT_TRY(width, keys.count("embedding_length", kWidthMax));
  WEFT_TRY(ffn_width, keys.count("feed_forward_length", kFfnWidthMax));
  WEFT_TRY(context, keys.count("context_length", kContextLengthMax));
  WEFT_TRY(epsilon, keys.positive("attention.layer_norm_rms_epsilon"));
  config.layers = layers;
  config.width = width;
  config.ffn_width = ffn_width;
  config.context_length = context;
  config.norm_epsilon = epsilon;
  if (family->scaled_embeddings) config.embedding_scale = std::sqrt(static_cast<float>(width));
  WEFT_TRY_VOID(read_heads(keys, config));
  config.attention_scale = attention_scale(config);
  WEFT_TRY_VOID(read_rope(keys, config));
  config.attention.resize(layers);
  if (family->windows) WEFT_TRY_VOID(read_windows(keys, config));
  WEFT_TRY_VOID(refuse_soft_caps(keys));
  WEFT_TRY(stated, keys.count_or("vocab_size", kVocabularyMax, vocabulary));
  if (stated != vocabulary || vocabulary == 0) {
    return Error{ErrorCode::kCorrupt, keys.name("vocab_size") + " is " + std::to_string(stated) +
                                          ", but the tokenizer has " + std::to_string(vocabulary) +
                                          " tokens"};
  }
  config.vocabulary = vocabulary;
  return config;
}

}  // namespace weft::inference
