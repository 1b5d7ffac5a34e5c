#include "tests/fakes/tiny_model.h"

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "tests/fakes/quantize.h"

namespace weft::fakes {
namespace {

using inference::TensorType;

// Splitmix64: a few lines, and the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // Uniform of mean 0 and standard deviation 1.
  float next() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    const double unit = static_cast<double>(z >> 11) * 0x1p-53;
    return static_cast<float>((unit * 2 - 1) * 1.7320508075688772);
  }

 private:
  std::uint64_t state_;
};

std::string utf8(unsigned code) {  // below 0x800
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

// The byte-level alphabet of GPT-2: printable Latin-1 stands for itself, the rest follows U+0100.
std::vector<std::string> byte_alphabet() {
  std::vector<std::string> alphabet;
  unsigned next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    alphabet.push_back(utf8(itself ? b : next++));
  }
  return alphabet;
}

// U+0120 stands for a space. Each part of a merge is a byte or an earlier merge.
const std::vector<std::pair<std::string, std::string>> kMerges = {
    {"\u0120", "t"}, {"h", "e"},    {"i", "n"},          {"\u0120", "a"}, {"\u0120t", "he"},
    {"o", "n"},      {"r", "e"},    {"e", "r"},          {"l", "l"},      {"\u0120", "w"},
    {"he", "ll"},    {"hell", "o"}, {"\u010A", "\u010A"}};

/// Returns its size.
std::size_t add_vocabulary(GgufWriter& writer, const TinyModelOptions& options) {
  std::vector<std::string> tokens = byte_alphabet();
  std::vector<std::string> merges;
  for (const auto& [left, right] : kMerges) {
    tokens.push_back(left + right);
    merges.push_back(left + " " + right);
  }
  std::vector<std::int32_t> kinds(tokens.size(), 1);
  const auto first_control = static_cast<std::uint32_t>(tokens.size());
  for (const char* control : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    tokens.emplace_back(control);
    kinds.push_back(3);
  }
  for (const char* mark : {"<think>", "</think>"}) {
    if (!options.think_marks) break;
    tokens.emplace_back(mark);
    kinds.push_back(4);
  }
  writer.string("tokenizer.ggml.model", "gpt2");
  writer.string("tokenizer.ggml.pre", options.splitter);
  writer.strings("tokenizer.ggml.tokens", tokens);
  writer.i32s("tokenizer.ggml.token_type", kinds);
  writer.strings("tokenizer.ggml.merges", merges);
  writer.u32("tokenizer.ggml.bos_token_id", first_control);
  writer.u32("tokenizer.ggml.eos_token_id", first_control + 2);
  writer.boolean("tokenizer.ggml.add_bos_token", false);
  return tokens.size();
}

class Tensors {
 public:
  Tensors(GgufWriter& writer, const TinyModelOptions& options)
      : writer_(writer), options_(options), random_(options.seed) {}

  // (rows, columns): deviation 1 / sqrt(columns) keeps the size of what it multiplies.
  void matrix(const std::string& name, std::uint64_t rows, std::uint64_t columns, float gain = 1) {
    const float deviation = gain / std::sqrt(static_cast<float>(columns));
    add(name + ".weight", {columns, rows}, type_of(name), 0, deviation);
  }
  void norm(const std::string& name) { norm(name, options_.width); }
  void norm(const std::string& name, std::uint64_t size) {
    add(name + ".weight", {size}, TensorType::kF32, 1, 0.2F);
  }
  void bias(const std::string& name, std::uint64_t size) {
    add(name + ".bias", {size}, TensorType::kF32, 0, 0.3F);
  }

 private:
  TensorType type_of(const std::string& name) const {
    const auto whole = options_.types.find(name);
    if (whole != options_.types.end()) return whole->second;
    const auto part = options_.types.find(name.substr(name.rfind('.') + 1));
    return part != options_.types.end() ? part->second : options_.type;
  }

  void add(const std::string& name, std::vector<std::uint64_t> dims, TensorType type, float mean,
           float deviation) {
    std::size_t count = 1;
    for (const std::uint64_t dim : dims) count *= dim;
    std::vector<float> values(count);
    for (float& value : values) value = mean + deviation * random_.next();
    writer_.tensor(
        {name, std::move(dims), static_cast<std::uint32_t>(type), quantize(type, values)});
  }

  GgufWriter& writer_;
  const TinyModelOptions& options_;
  Random random_;
};

void add_hyperparameters(GgufWriter& writer, const TinyModelOptions& options) {
  const std::string prefix = options.architecture + ".";
  writer.string("general.architecture", options.architecture);
  writer.string("general.name", "tiny");
  writer.u32(prefix + "block_count", options.layers);
  writer.u32(prefix + "context_length", options.context_length);
  writer.u32(prefix + "embedding_length", options.width);
  writer.u32(prefix + "feed_forward_length", options.ffn_width);
  writer.u32(prefix + "attention.head_count", options.heads);
  writer.u32(prefix + "attention.head_count_kv", options.kv_heads);
  writer.f32(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
  writer.f32(prefix + "rope.freq_base", options.rope_base);
  if (options.head_width != 0) {
    writer.u32(prefix + "attention.key_length", options.head_width);
    writer.u32(prefix + "attention.value_length", options.head_width);
  }
  if (options.architecture == "gemma3" && options.window != 0) {
    writer.u32(prefix + "attention.sliding_window", options.window);
    if (options.window_pattern != 0) {
      writer.u32(prefix + "attention.sliding_window_pattern", options.window_pattern);
    }
  }
  if (!options.chat_template.empty()) {
    writer.string("tokenizer.chat_template", options.chat_template);
  }
}

}  // namespace

GgufWriter tiny_model(const TinyModelOptions& options) {
  GgufWriter writer;
  add_hyperparameters(writer, options);
  const std::uint64_t vocabulary = add_vocabulary(writer, options);

  constexpr float kLogitGain = 3;  // the logits' deviation: peaked, but not one-sided
  const std::uint64_t head_width =
      options.head_width != 0 ? options.head_width : options.width / options.heads;
  const std::uint64_t q_width = head_width * options.heads;
  const std::uint64_t kv_width = head_width * options.kv_heads;
  const bool post_norms = options.architecture == "gemma3";
  const bool qk_norm = post_norms || options.architecture == "qwen3";
  Tensors tensors(writer, options);
  tensors.matrix("token_embd", vocabulary, options.width, kLogitGain);
  for (std::uint32_t i = 0; i < options.layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    tensors.norm(block + "attn_norm");
    tensors.matrix(block + "attn_q", q_width, options.width);
    tensors.matrix(block + "attn_k", kv_width, options.width);
    tensors.matrix(block + "attn_v", kv_width, options.width);
    if (options.architecture == "qwen2") {
      tensors.bias(block + "attn_q", q_width);
      tensors.bias(block + "attn_k", kv_width);
      tensors.bias(block + "attn_v", kv_width);
    }
    if (qk_norm) {
      tensors.norm(block + "attn_q_norm", head_width);
      tensors.norm(block + "attn_k_norm", head_width);
    }
    tensors.matrix(block + "attn_output", options.width, q_width);
    if (post_norms) tensors.norm(block + "post_attention_norm");
    tensors.norm(block + "ffn_norm");
    tensors.matrix(block + "ffn_gate", options.ffn_width, options.width);
    tensors.matrix(block + "ffn_up", options.ffn_width, options.width);
    tensors.matrix(block + "ffn_down", options.width, options.ffn_width);
    if (post_norms) tensors.norm(block + "post_ffw_norm");
  }
  tensors.norm("output_norm");
  if (options.separate_output) tensors.matrix("output", vocabulary, options.width, kLogitGain);
  return writer;
}

std::filesystem::path write_tiny_model(const std::filesystem::path& path,
                                       const TinyModelOptions& options) {
  write_file(path, tiny_model(options).build().bytes);
  return path;
}

}  // namespace weft::fakes
