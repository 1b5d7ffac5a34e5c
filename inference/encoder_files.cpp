#include "inference/encoder_files.h"

#include <cmath>
#include <system_error>

#include "inference/cpu/encoder_kernels.h"

namespace weft::inference {
namespace {

constexpr std::size_t kLayersMax = 1024;
constexpr std::size_t kWidthMax = 1 << 16;
constexpr std::size_t kFfnWidthMax = 1 << 20;
constexpr std::size_t kHeadsMax = 1024;
constexpr std::size_t kVocabularyMax = 1 << 22;
constexpr std::size_t kPositionsMax = 1 << 16;

struct PartNames {
  EncoderPart part;
  std::string_view gguf;
  std::string_view hugging_face;
};
constexpr PartNames kNames[] = {
    {EncoderPart::kTokens, "token_embd", "embeddings.word_embeddings"},
    {EncoderPart::kPositions, "position_embd", "embeddings.position_embeddings"},
    {EncoderPart::kTypes, "token_types", "embeddings.token_type_embeddings"},
    {EncoderPart::kEmbeddingNorm, "token_embd_norm", "embeddings.LayerNorm"},
    {EncoderPart::kQuery, "attn_q", "attention.self.query"},
    {EncoderPart::kKey, "attn_k", "attention.self.key"},
    {EncoderPart::kValue, "attn_v", "attention.self.value"},
    {EncoderPart::kAttentionOutput, "attn_output", "attention.output.dense"},
    {EncoderPart::kAttentionNorm, "attn_output_norm", "attention.output.LayerNorm"},
    {EncoderPart::kUp, "ffn_up", "intermediate.dense"},
    {EncoderPart::kDown, "ffn_down", "output.dense"},
    {EncoderPart::kOutputNorm, "layer_output_norm", "output.LayerNorm"}};

struct Bound {
  const char* name;
  std::size_t value;
  std::size_t max;
};

}  // namespace

std::string encoder_tensor_name(EncoderNames names, const EncoderTensor& tensor) {
  const PartNames& part = kNames[static_cast<std::size_t>(tensor.part)];
  const bool gguf = names == EncoderNames::kGguf;
  std::string name;
  if (tensor.part >= EncoderPart::kQuery) {
    name = (gguf ? "blk." : "encoder.layer.") + std::to_string(tensor.layer) + ".";
  }
  name += gguf ? part.gguf : part.hugging_face;
  return name + (tensor.is_bias ? ".bias" : ".weight");
}

Result<void> check(const EncoderConfig& config) {
  const Bound bounds[] = {{"number of layers", config.layers, kLayersMax},
                          {"width", config.width, kWidthMax},
                          {"width of the feed-forward part", config.ffn_width, kFfnWidthMax},
                          {"number of heads", config.heads, kHeadsMax},
                          {"vocabulary", config.vocabulary, kVocabularyMax},
                          {"number of positions", config.positions, kPositionsMax}};
  for (const Bound& bound : bounds) {
    if (bound.value >= 1 && bound.value <= bound.max) continue;
    return Error{ErrorCode::kCorrupt, "the " + std::string(bound.name) + " is " +
                                          std::to_string(bound.value) + "; 1 to " +
                                          std::to_string(bound.max) + " are possible"};
  }
  if (!(config.norm_epsilon > 0 && config.norm_epsilon < 1)) {
    return Error{ErrorCode::kCorrupt, "the epsilon of the layer norm is " +
                                          std::to_string(config.norm_epsilon) +
                                          "; it must be above 0 and below 1"};
  }
  if (config.width % config.heads != 0) {
    return Error{ErrorCode::kCorrupt, "a width of " + std::to_string(config.width) +
                                          " can't be shared by " + std::to_string(config.heads) +
                                          " heads"};
  }
  const Bound steps[] = {{"width", config.width, 0},
                         {"width of the feed-forward part", config.ffn_width, 0},
                         {"width of a head", config.head_width(), 0}};
  for (const Bound& each : steps) {
    if (each.value % cpu::kEncoderStep == 0) continue;
    return Error{ErrorCode::kUnsupported, "the " + std::string(each.name) + " is " +
                                              std::to_string(each.value) +
                                              "; multiples of 16 run here"};
  }
  return {};
}

Result<EncoderFiles> open_encoder(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return Error{ErrorCode::kNotFound, "there is no model at " + path.string()};
  }
  auto opened = std::filesystem::is_directory(status)
                    ? open_encoder_folder(path, path / "model.safetensors")
                : path.extension() == ".safetensors" ? open_encoder_folder(path.parent_path(), path)
                                                     : open_encoder_gguf(path);
  if (!opened) return std::move(opened).error().with_context("embedding model " + path.string());
  return opened;
}

}  // namespace weft::inference
