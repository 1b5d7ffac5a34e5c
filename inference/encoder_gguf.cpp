// An encoder in a GGUF file of the architecture bert.

#include <algorithm>
#include <utility>

#include "inference/encoder_files.h"
#include "inference/gguf.h"

namespace weft::inference {
namespace {

constexpr std::string_view kWordStart = "\u2581";
constexpr std::int64_t kControl = 3;  // of tokenizer.ggml.token_type

class GgufTensors final : public EncoderTensors {
 public:
  explicit GgufTensors(GgufFile file) : file_(std::move(file)) {}

  std::string name(const EncoderTensor& tensor) const override {
    return encoder_tensor_name(EncoderNames::kGguf, tensor);
  }
  std::optional<Shape> shape(const EncoderTensor& tensor) const override {
    const TensorInfo* found = file_.tensor(name(tensor));
    if (found == nullptr) return std::nullopt;
    return Shape{found->rows(), found->row_length()};
  }
  Result<void> read_rows(const EncoderTensor& tensor, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override {
    const TensorInfo* found = file_.tensor(name(tensor));
    if (found == nullptr) return Error{ErrorCode::kNotFound, "no tensor " + name(tensor)};
    return file_.read_rows(*found, first, count, out);
  }

 private:
  GgufFile file_;
};

Result<std::size_t> read_count(const GgufFile& file, const std::string& key) {
  WEFT_TRY(value, file.unsigned_integer("bert." + key));
  return static_cast<std::size_t>(std::min<std::uint64_t>(value, SIZE_MAX));
}

Result<EncoderConfig> read_config(const GgufFile& file) {
  WEFT_TRY(architecture, file.string("general.architecture"));
  if (architecture != "bert") {
    return Error{ErrorCode::kUnsupported,
                 "the architecture is '" + std::string(architecture) +
                     "', which isn't an encoder that runs here: bert does"};
  }
  EncoderConfig config;
  const std::pair<const char*, std::size_t*> counts[] = {{"block_count", &config.layers},
                                                         {"embedding_length", &config.width},
                                                         {"feed_forward_length", &config.ffn_width},
                                                         {"attention.head_count", &config.heads},
                                                         {"context_length", &config.positions}};
  for (const auto& [key, count] : counts) {
    WEFT_TRY(value, read_count(file, key));
    *count = value;
  }
  WEFT_TRY(epsilon, file.number("bert.attention.layer_norm_epsilon"));
  config.norm_epsilon = static_cast<float>(epsilon);
  return config;
}

/// GGUF marks tokens that begin a word and leaves continuations bare; vocab.txt does the opposite.
Result<WordPiece> read_vocabulary(const GgufFile& file) {
  WEFT_TRY(model, file.string("tokenizer.ggml.model"));
  if (model != "bert") {
    return Error{ErrorCode::kUnsupported, "the tokenizer is '" + std::string(model) +
                                              "'; encoders run here with WordPiece ('bert')"};
  }
  WEFT_TRY(tokens, file.strings("tokenizer.ggml.tokens"));
  std::vector<std::int64_t> kinds;
  if (file.has("tokenizer.ggml.token_type")) {
    WEFT_TRY(stored, file.integers("tokenizer.ggml.token_type"));
    kinds = std::move(stored);
  }
  if (!kinds.empty() && kinds.size() != tokens.size()) {
    return Error{ErrorCode::kCorrupt, "tokenizer.ggml.token_type has " +
                                          std::to_string(kinds.size()) + " entries for " +
                                          std::to_string(tokens.size()) + " tokens"};
  }
  std::string lines;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string_view token = tokens[i];
    if (token.find('\n') != std::string_view::npos) {
      return Error{ErrorCode::kCorrupt, "token " + std::to_string(i) + " holds a line break"};
    }
    // The converters before 2025 left texts in brackets bare, today's leave control tokens bare.
    const bool is_control = !kinds.empty() && kinds[i] == kControl;
    const bool is_bracketed = token.starts_with('[') && token.ends_with(']');
    if (token.starts_with(kWordStart)) {
      token.remove_prefix(kWordStart.size());
    } else if (!is_control && !is_bracketed) {
      lines += "##";
    }
    lines.append(token) += '\n';
  }
  return WordPiece::parse(lines);
}

Result<std::optional<Pooling>> read_pooling(const GgufFile& file) {
  if (!file.has("bert.pooling_type")) return std::optional<Pooling>();
  WEFT_TRY(type, file.unsigned_integer("bert.pooling_type"));
  switch (type) {
    case 1:
      return std::optional(Pooling::kMean);
    case 2:
      return std::optional(Pooling::kCls);
    default:
      return Error{ErrorCode::kUnsupported, "bert.pooling_type is " + std::to_string(type) +
                                                "; 1 (mean) and 2 (CLS) run here"};
  }
}

}  // namespace

Result<EncoderFiles> open_encoder_gguf(const std::filesystem::path& path) {
  WEFT_TRY(file, GgufFile::open(path));
  WEFT_TRY(config, read_config(file));
  WEFT_TRY(vocabulary, read_vocabulary(file));
  config.vocabulary = vocabulary.size();
  WEFT_TRY_VOID(check(config));
  WEFT_TRY(pooling, read_pooling(file));
  if (file.has("bert.attention.causal")) {
    WEFT_TRY(causal, file.boolean("bert.attention.causal"));
    if (causal) {
      return Error{ErrorCode::kUnsupported,
                   "bert.attention.causal is true; encoders that see all tokens run here"};
    }
  }
  return EncoderFiles{.config = config,
                      .vocabulary = std::move(vocabulary),
                      .pooling = pooling,
                      .tokens_max = std::nullopt,
                      .query_prefix = "",
                      .document_prefix = "",
                      .tensors = std::make_unique<GgufTensors>(std::move(file))};
}

}  // namespace weft::inference
