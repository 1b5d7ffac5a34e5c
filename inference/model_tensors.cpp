#include "inference/model_tensors.h"

#include <string>
#include <unordered_set>

namespace weft::inference {
namespace {

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
  const auto bias = [&](const char* name, std::size_t length) {
    return config.qkv_bias ? finder.vector(prefix + name, length)
                           : finder.vector_if_there(prefix + name, length);
  };
  const auto norm = [&](bool wanted, const char* name, std::size_t length) {
    return wanted ? finder.vector(prefix + name, length)
                  : Result<const TensorInfo*>(static_cast<const TensorInfo*>(nullptr));
  };
  WEFT_TRY(q_bias, bias("attn_q.bias", q_width));
  WEFT_TRY(k_bias, bias("attn_k.bias", kv_width));
  WEFT_TRY(v_bias, bias("attn_v.bias", kv_width));
  WEFT_TRY(q_norm, norm(config.qk_norm, "attn_q_norm.weight", config.head_width));
  WEFT_TRY(k_norm, norm(config.qk_norm, "attn_k_norm.weight", config.head_width));
  WEFT_TRY(attention_post, norm(config.post_norms, "post_attention_norm.weight", width));
  WEFT_TRY(ffn_post, norm(config.post_norms, "post_ffw_norm.weight", width));
  return LayerTensors{.attention_norm = attention_norm,
                      .ffn_norm = ffn_norm,
                      .q = q,
                      .k = k,
                      .v = v,
                      .attention_output = output,
                      .gate = gate,
                      .up = up,
                      .down = down,
                      .q_bias = q_bias,
                      .k_bias = k_bias,
                      .v_bias = v_bias,
                      .q_norm = q_norm,
                      .k_norm = k_norm,
                      .attention_post_norm = attention_post,
                      .ffn_post_norm = ffn_post};
}

}  // namespace

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
