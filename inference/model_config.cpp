#include "inference/model_config.h"

#include <cmath>
#include <unordered_set>

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

  Result<std::string_view> string(std::string_view key) const {
    return file_.string(prefix_ + std::string(key));
  }
  std::string name(std::string_view key) const { return prefix_ + std::string(key); }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

Result<Architecture> read_architecture(const GgufFile& file) {
  WEFT_TRY(name, file.string("general.architecture"));
  if (name == "llama") return Architecture::kLlama;
  if (name == "qwen2") return Architecture::kQwen2;
  return Error{ErrorCode::kUnsupported, "general.architecture is '" + std::string(name) +
                                            "'; this engine runs llama and qwen2"};
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
  config.rope_base = base;
  config.rope_position_scale = 1 / factor;
  return {};
}

/// Finds tensors by name and remembers which were asked for.
class Finder {
 public:
  explicit Finder(const GgufFile& file) : file_(file) {}

  Result<const TensorInfo*> matrix(const std::string& name, std::size_t rows, std::size_t columns) {
    return find(name, {columns, rows});
  }
  Result<const TensorInfo*> vector(const std::string& name, std::size_t length) {
    WEFT_TRY(tensor, find(name, {length}));
    if (tensor->type != TensorType::kF32 && tensor->type != TensorType::kF16 &&
        tensor->type != TensorType::kBF16) {
      return Error{ErrorCode::kCorrupt, "tensor " + name + " is " +
                                            std::string(to_string(tensor->type)) +
                                            "; norms and biases must be F32, F16 or BF16"};
    }
    return tensor;
  }
  Result<const TensorInfo*> vector_if_there(const std::string& name, std::size_t length) {
    if (!has(name)) return static_cast<const TensorInfo*>(nullptr);
    return vector(name, length);
  }
  bool has(const std::string& name) const { return file_.tensor(name) != nullptr; }

  Result<void> refuse_the_rest() const {
    for (const TensorInfo& tensor : file_.tensors()) {
      // An old converter wrote the rotation angles out; they follow from the metadata.
      if (used_.contains(&tensor) || tensor.name.ends_with(".attn_rot_embd.weight")) continue;
      return Error{ErrorCode::kUnsupported,
                   "tensor " + tensor.name + " isn't known for this architecture"};
    }
    return {};
  }

 private:
  Result<const TensorInfo*> find(const std::string& name, const std::vector<std::uint64_t>& dims) {
    const TensorInfo* tensor = file_.tensor(name);
    if (tensor == nullptr) return Error{ErrorCode::kCorrupt, "tensor " + name + " is missing"};
    if (tensor->dims != dims) {
      return Error{ErrorCode::kCorrupt, "tensor " + name + " has the shape " +
                                            shape_text(tensor->dims) + "; the metadata calls for " +
                                            shape_text(dims)};
    }
    used_.insert(tensor);
    return tensor;
  }
  static std::string shape_text(const std::vector<std::uint64_t>& dims) {
    std::string text = "[";
    for (const std::uint64_t dim : dims) {
      if (text.size() > 1) text += ", ";
      text += std::to_string(dim);
    }
    return text + "]";
  }

  const GgufFile& file_;
  std::unordered_set<const TensorInfo*> used_;
};

Result<LayerTensors> find_layer(Finder& finder, const ModelConfig& config, std::size_t index) {
  const std::string prefix = "blk." + std::to_string(index) + '.';
  if (finder.has(prefix + "attn_qkv.weight")) {
    return Error{ErrorCode::kUnsupported,
                 "tensor " + prefix +
                     "attn_qkv.weight is a fused projection; this engine reads "
                     "attn_q, attn_k and attn_v: convert the model with them apart"};
  }
  const std::size_t width = config.width;
  const std::size_t q_width = config.heads * config.head_width;
  const std::size_t kv_width = config.kv_heads * config.head_width;
  WEFT_TRY(attention_norm, finder.vector(prefix + "attn_norm.weight", width));
  WEFT_TRY(ffn_norm, finder.vector(prefix + "ffn_norm.weight", width));
  WEFT_TRY(q, finder.matrix(prefix + "attn_q.weight", q_width, width));
  WEFT_TRY(k, finder.matrix(prefix + "attn_k.weight", kv_width, width));
  WEFT_TRY(v, finder.matrix(prefix + "attn_v.weight", kv_width, width));
  WEFT_TRY(output, finder.matrix(prefix + "attn_output.weight", width, q_width));
  WEFT_TRY(gate, finder.matrix(prefix + "ffn_gate.weight", config.ffn_width, width));
  WEFT_TRY(up, finder.matrix(prefix + "ffn_up.weight", config.ffn_width, width));
  WEFT_TRY(down, finder.matrix(prefix + "ffn_down.weight", width, config.ffn_width));
  const bool biased = config.architecture == Architecture::kQwen2;
  const auto bias = [&](const char* name, std::size_t length) {
    return biased ? finder.vector(prefix + name, length)
                  : finder.vector_if_there(prefix + name, length);
  };
  WEFT_TRY(q_bias, bias("attn_q.bias", q_width));
  WEFT_TRY(k_bias, bias("attn_k.bias", kv_width));
  WEFT_TRY(v_bias, bias("attn_v.bias", kv_width));
  return LayerTensors{attention_norm, ffn_norm, q,    k,      v,      output,
                      gate,           up,       down, q_bias, k_bias, v_bias};
}

}  // namespace

std::string_view to_string(Architecture architecture) noexcept {
  return architecture == Architecture::kLlama ? "llama" : "qwen2";
}

Result<ModelConfig> read_config(const GgufFile& file, std::size_t vocabulary) {
  ModelConfig config;
  WEFT_TRY(architecture, read_architecture(file));
  config.architecture = architecture;
  const Keys keys(file, to_string(architecture));
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
  WEFT_TRY_VOID(read_heads(keys, config));
  WEFT_TRY_VOID(read_rope(keys, config));
  WEFT_TRY(stated, keys.count_or("vocab_size", kVocabularyMax, vocabulary));
  if (stated != vocabulary || vocabulary == 0) {
    return Error{ErrorCode::kCorrupt, keys.name("vocab_size") + " is " + std::to_string(stated) +
                                          ", but the tokenizer has " + std::to_string(vocabulary) +
                                          " tokens"};
  }
  config.vocabulary = vocabulary;
  return config;
}

Result<ModelTensors> find_tensors(const GgufFile& file, const ModelConfig& config) {
  Finder finder(file);
  ModelTensors tensors{};
  WEFT_TRY(embedding, finder.matrix("token_embd.weight", config.vocabulary, config.width));
  WEFT_TRY(output_norm, finder.vector("output_norm.weight", config.width));
  tensors.embedding = embedding;
  tensors.output_norm = output_norm;
  tensors.output = embedding;
  if (finder.has("output.weight")) {
    WEFT_TRY(output, finder.matrix("output.weight", config.vocabulary, config.width));
    tensors.output = output;
  }
  WEFT_TRY(factors, finder.vector_if_there("rope_freqs.weight", config.rope_width / 2));
  tensors.rope_factors = factors;
  tensors.layers.reserve(config.layers);
  for (std::size_t i = 0; i < config.layers; ++i) {
    WEFT_TRY(layer, find_layer(finder, config, i));
    tensors.layers.push_back(layer);
  }
  WEFT_TRY_VOID(finder.refuse_the_rest());
  return tensors;
}

}  // namespace weft::inference
