#include "tests/fakes/tiny_encoder.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/fakes/quantize.h"
#include "tests/fakes/safetensors_writer.h"

namespace weft::fakes {
namespace {

using Rows = std::vector<std::vector<double>>;
using Tensor = TinyEncoder::Tensor;

// A linear congruential generator: the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  float next() {  // uniform of mean 0 and standard deviation 1
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (static_cast<float>(state_ >> 40) * 0x1p-23F - 1) * 1.7320508F;
  }

 private:
  std::uint64_t state_;
};

std::vector<std::string> words() {
  std::vector<std::string> lines = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = 'a'; c <= 'z'; ++c) lines.emplace_back(1, c);
  for (char c = 'a'; c <= 'z'; ++c) lines.push_back(std::string("##") + c);
  for (const char* word : {"the", "lease", "ends", "in", "june", "##ing", "##s", ".", "?", ","}) {
    if (std::ranges::find(lines, word) == lines.end()) lines.emplace_back(word);
  }
  return lines;
}

class Maker {
 public:
  explicit Maker(TinyEncoder& encoder) : encoder_(encoder), random_(encoder.options.seed) {}

  void add(const std::string& name, std::vector<std::uint64_t> shape, float mean, float deviation) {
    Tensor tensor{std::move(shape), {}};
    std::size_t count = 1;
    for (const std::uint64_t dim : tensor.shape) count *= dim;
    for (std::size_t i = 0; i < count; ++i) {
      tensor.values.push_back(mean + deviation * random_.next());
    }
    encoder_.tensors[name] = std::move(tensor);
  }
  void linear(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    add(name + ".weight", {rows, columns}, 0, 1 / std::sqrt(static_cast<float>(columns)));
    add(name + ".bias", {rows}, 0, 0.3F);
  }
  void norm(const std::string& name) {
    add(name + ".weight", {encoder_.options.width}, 1, 0.2F);
    add(name + ".bias", {encoder_.options.width}, 0, 0.2F);
  }

 private:
  TinyEncoder& encoder_;
  Random random_;
};

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string gguf_name(const std::string& name) {
  static const std::pair<const char*, const char*> kParts[] = {
      {"embeddings.word_embeddings", "token_embd"},
      {"embeddings.position_embeddings", "position_embd"},
      {"embeddings.token_type_embeddings", "token_types"},
      {"embeddings.LayerNorm", "token_embd_norm"},
      {"attention.self.query", "attn_q"},
      {"attention.self.key", "attn_k"},
      {"attention.self.value", "attn_v"},
      {"attention.output.dense", "attn_output"},
      {"attention.output.LayerNorm", "attn_output_norm"},
      {"intermediate.dense", "ffn_up"},
      {"output.dense", "ffn_down"},
      {"output.LayerNorm", "layer_output_norm"}};
  std::string result = name;
  for (const auto& [from, to] : kParts) {
    const std::size_t at = result.find(from);
    if (at == std::string::npos) continue;
    result.replace(at, std::string(from).size(), to);
    break;
  }
  if (result.starts_with("encoder.layer.")) result.replace(0, 14, "blk.");
  return result;
}

Rows layer_norm(const TinyEncoder& encoder, const std::string& name, Rows x) {
  const auto& weight = encoder.tensors.at(name + ".weight").values;
  const auto& bias = encoder.tensors.at(name + ".bias").values;
  for (auto& row : x) {
    double mean = 0;
    double variance = 0;
    for (const double value : row) mean += value / static_cast<double>(row.size());
    for (const double value : row) {
      variance += (value - mean) * (value - mean) / static_cast<double>(row.size());
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = (row[i] - mean) / std::sqrt(variance + 1e-12) * static_cast<double>(weight[i]) +
               static_cast<double>(bias[i]);
    }
  }
  return x;
}

Rows linear(const TinyEncoder& encoder, const std::string& name, const Rows& x) {
  const Tensor& weight = encoder.tensors.at(name + ".weight");
  const auto& bias = encoder.tensors.at(name + ".bias").values;
  Rows y(x.size(), std::vector<double>(weight.shape[0]));
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t r = 0; r < y[i].size(); ++r) {
      double sum = static_cast<double>(bias[r]);
      for (std::size_t c = 0; c < x[i].size(); ++c) {
        sum += static_cast<double>(weight.values[r * x[i].size() + c]) * x[i][c];
      }
      y[i][r] = sum;
    }
  }
  return y;
}

Rows attention(const Rows& q, const Rows& k, const Rows& v, std::size_t heads) {
  const std::size_t head_width = q[0].size() / heads;
  Rows out(q.size(), std::vector<double>(q[0].size(), 0));
  for (std::size_t i = 0; i < q.size(); ++i) {
    for (std::size_t first = 0; first < q[0].size(); first += head_width) {
      std::vector<double> scores;
      double total = 0;
      for (const auto& key : k) {
        double score = 0;
        for (std::size_t c = first; c < first + head_width; ++c) score += q[i][c] * key[c];
        scores.push_back(std::exp(score / std::sqrt(static_cast<double>(head_width))));
        total += scores.back();
      }
      for (std::size_t j = 0; j < v.size(); ++j) {
        for (std::size_t c = first; c < first + head_width; ++c) {
          out[i][c] += scores[j] / total * v[j][c];
        }
      }
    }
  }
  return out;
}

void add_to(Rows& x, const Rows& y) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t c = 0; c < x[i].size(); ++c) x[i][c] += y[i][c];
  }
}

}  // namespace

TinyEncoder tiny_encoder(const TinyEncoderOptions& options) {
  TinyEncoder encoder{options, words(), {}};
  Maker make(encoder);
  const std::size_t width = options.width;
  make.add("embeddings.word_embeddings.weight", {encoder.vocabulary.size(), width}, 0, 1);
  make.add("embeddings.position_embeddings.weight", {options.positions, width}, 0, 0.3F);
  make.add("embeddings.token_type_embeddings.weight", {2, width}, 0, 0.3F);
  make.norm("embeddings.LayerNorm");
  for (std::size_t i = 0; i < options.layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".";
    make.linear(layer + "attention.self.query", width, width);
    make.linear(layer + "attention.self.key", width, width);
    make.linear(layer + "attention.self.value", width, width);
    make.linear(layer + "attention.output.dense", width, width);
    make.norm(layer + "attention.output.LayerNorm");
    make.linear(layer + "intermediate.dense", options.ffn_width, width);
    make.linear(layer + "output.dense", width, options.ffn_width);
    make.norm(layer + "output.LayerNorm");
  }
  return encoder;
}

void write_encoder_folder(const std::filesystem::path& folder, const TinyEncoder& encoder) {
  const TinyEncoderOptions& options = encoder.options;
  std::filesystem::create_directories(folder / "1_Pooling");
  const nlohmann::json config = {{"model_type", "bert"},
                                 {"hidden_act", "gelu"},
                                 {"hidden_size", options.width},
                                 {"intermediate_size", options.ffn_width},
                                 {"num_attention_heads", options.heads},
                                 {"num_hidden_layers", options.layers},
                                 {"max_position_embeddings", options.positions},
                                 {"layer_norm_eps", 1e-12},
                                 {"vocab_size", encoder.vocabulary.size()}};
  write_text(folder / "config.json", config.dump());
  std::string lines;
  for (const std::string& line : encoder.vocabulary) lines += line + "\n";
  write_text(folder / "vocab.txt", lines);
  SafetensorsWriter writer;
  const std::vector<std::int64_t> ids(options.positions);
  writer.tensor("embeddings.position_ids", "I64", {1, options.positions},
                std::as_bytes(std::span(ids)));
  for (const auto& [name, tensor] : encoder.tensors) {
    writer.floats(name, tensor.shape, tensor.values);
  }
  write_file(folder / "model.safetensors", writer.build());
  write_text(folder / "modules.json",
             R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
                 {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                 {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])");
  write_text(folder / "1_Pooling/config.json",
             R"({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true})");
  write_text(folder / "sentence_bert_config.json", R"({"max_seq_length": 32})");
}

GgufWriter encoder_gguf(const TinyEncoder& encoder, inference::TensorType type) {
  const TinyEncoderOptions& options = encoder.options;
  GgufWriter writer;
  writer.string("general.architecture", "bert");
  const auto u32 = [&](const char* key, std::size_t value) {
    writer.u32(key, static_cast<std::uint32_t>(value));
  };
  u32("bert.block_count", options.layers);
  u32("bert.context_length", options.positions);
  u32("bert.embedding_length", options.width);
  u32("bert.feed_forward_length", options.ffn_width);
  u32("bert.attention.head_count", options.heads);
  writer.f32("bert.attention.layer_norm_epsilon", 1e-12F);
  writer.boolean("bert.attention.causal", false);
  writer.u32("bert.pooling_type", 2);
  std::vector<std::string> tokens;
  std::vector<std::int32_t> kinds;
  for (const std::string& line : encoder.vocabulary) {
    const bool control = line.starts_with('[');
    tokens.push_back(control ? line : line.starts_with("##") ? line.substr(2) : "\u2581" + line);
    kinds.push_back(control ? 3 : 1);
  }
  writer.string("tokenizer.ggml.model", "bert");
  writer.strings("tokenizer.ggml.tokens", tokens);
  writer.i32s("tokenizer.ggml.token_type", kinds);
  for (const auto& [name, tensor] : encoder.tensors) {
    const bool is_matrix = name.find("encoder.layer.") == 0 && tensor.shape.size() == 2;
    const auto stored = is_matrix ? type : inference::TensorType::kF32;
    writer.tensor({gguf_name(name),
                   {tensor.shape.rbegin(), tensor.shape.rend()},
                   static_cast<std::uint32_t>(stored),
                   quantize(stored, tensor.values)});
  }
  return writer;
}

Rows reference_hidden(const TinyEncoder& encoder, std::span<const inference::TokenId> ids) {
  const std::size_t width = encoder.options.width;
  const auto& words_of = encoder.tensors.at("embeddings.word_embeddings.weight").values;
  const auto& positions = encoder.tensors.at("embeddings.position_embeddings.weight").values;
  const auto& types = encoder.tensors.at("embeddings.token_type_embeddings.weight").values;
  Rows x;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::vector<double> row(width);
    for (std::size_t c = 0; c < width; ++c) {
      row[c] = static_cast<double>(words_of[static_cast<std::size_t>(ids[i]) * width + c]) +
               static_cast<double>(positions[i * width + c]) + static_cast<double>(types[c]);
    }
    x.push_back(std::move(row));
  }
  x = layer_norm(encoder, "embeddings.LayerNorm", std::move(x));
  for (std::size_t i = 0; i < encoder.options.layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".";
    const Rows attended =
        attention(linear(encoder, layer + "attention.self.query", x),
                  linear(encoder, layer + "attention.self.key", x),
                  linear(encoder, layer + "attention.self.value", x), encoder.options.heads);
    add_to(x, linear(encoder, layer + "attention.output.dense", attended));
    x = layer_norm(encoder, layer + "attention.output.LayerNorm", std::move(x));
    Rows inner = linear(encoder, layer + "intermediate.dense", x);
    for (auto& row : inner) {
      for (double& value : row) value *= (1 + std::erf(value / std::sqrt(2.0))) / 2;
    }
    add_to(x, linear(encoder, layer + "output.dense", inner));
    x = layer_norm(encoder, layer + "output.LayerNorm", std::move(x));
  }
  return x;
}

}  // namespace weft::fakes
