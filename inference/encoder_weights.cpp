#include "inference/encoder_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace weft::inference {
namespace {

constexpr std::size_t kBlock = 32;               // values of a Q8_0 block
constexpr std::size_t kBlockBytes = 2 + kBlock;  // half scale, int8 values
constexpr float kQuantMax = 127;
constexpr float kQuantMaxOf7Bits = 63;  // AVX2 multiplies these faster
constexpr double kScaleMax = 64;        // of an input's factor, and of its inverse

/// The largest quant of a part's weights. Errors in the values and in what the FFN's first
/// projection gives reach the embedding most: measured on MiniLM, each of the two in 7 bits costs
/// more than the others, which are 7 of 12 products, together.
float quant_max(EncoderPart part) {
  return part == EncoderPart::kValue || part == EncoderPart::kUp ? kQuantMax : kQuantMaxOf7Bits;
}

/// Blocks of a half scale and 32 int8 of at most `largest_quant`: the scale is rounded first, so
/// that the values make up for it.
void quantize_q8_0(std::span<const float> values, float largest_quant, std::span<std::byte> out) {
  for (; !values.empty(); values = values.subspan(kBlock), out = out.subspan(kBlockBytes)) {
    float largest = 0;
    for (std::size_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(values[i]));
    const std::uint16_t half = float_to_half(largest / largest_quant);
    const float scale = half_to_float(half);
    const float factor = scale > 0 ? 1 / scale : 0;
    std::memcpy(out.data(), &half, sizeof half);
    for (std::size_t i = 0; i < kBlock; ++i) {
      const float q = std::clamp(std::nearbyint(values[i] * factor), -largest_quant, largest_quant);
      out[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
    }
  }
}

class Loader {
 public:
  Loader(const EncoderTensors& tensors, EmbedderPrecision precision, cpu::Level level)
      : tensors_(tensors), precision_(precision), level_(level) {}

  Result<std::vector<float>> rows(const EncoderTensor& tensor, std::uint64_t rows,
                                  std::size_t columns) const {
    WEFT_TRY_VOID(check(tensor, rows, columns));
    return read_rows(tensor, rows, columns);
  }

  /// The first row of a tensor of any number of rows.
  Result<std::vector<float>> first_row(const EncoderTensor& tensor, std::size_t columns) const {
    const auto shape = tensors_.shape(tensor);
    if (shape && shape->rows > 0) WEFT_TRY_VOID(check(tensor, shape->rows, columns));
    if (!shape || shape->rows == 0) WEFT_TRY_VOID(check(tensor, 1, columns));
    return read_rows(tensor, 1, columns);
  }

  Result<EncoderNorm> norm(EncoderPart part, std::size_t layer, std::size_t width) const {
    WEFT_TRY(weight, rows({part, layer, false}, 1, width));
    WEFT_TRY(bias, rows({part, layer, true}, 1, width));
    return EncoderNorm{std::move(weight), std::move(bias)};
  }

  /// Factors for the inputs, (columns), of a matrix that follows a layer norm; none for floats.
  Result<std::vector<float>> input_scale(EncoderPart part, std::size_t layer, std::size_t rows_in,
                                         const EncoderNorm& before) const {
    const std::size_t columns = before.weight.size();
    if (precision_ != EmbedderPrecision::kInt8) return std::vector<float>();
    WEFT_TRY(weights, rows({part, layer, false}, rows_in, columns));
    std::vector<double> squares(columns, 0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      squares[i % columns] += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
    }
    std::vector<float> scale(columns);
    for (std::size_t j = 0; j < columns; ++j) {
      const double weight = std::sqrt(squares[j] / static_cast<double>(rows_in));
      const double input = std::fabs(static_cast<double>(before.weight[j]));
      const double balance = input > 0 ? std::sqrt(weight / input) : kScaleMax;
      scale[j] = static_cast<float>(std::clamp(balance, 1 / kScaleMax, kScaleMax));
    }
    return scale;
  }

  /// Packs the weight into `matrix` and reads the bias that goes with it into `bias`. `scale` is
  /// what the inputs are multiplied with, or empty.
  Result<void> linear(EncoderPart part, std::size_t layer, std::size_t rows_out,
                      std::size_t columns, std::span<const float> scale,
                      std::optional<cpu::Matrix>& matrix, std::vector<float>& bias) {
    const EncoderTensor tensor = {part, layer, false};
    WEFT_TRY_VOID(check(tensor, rows_out, columns));
    const bool int8 = precision_ == EmbedderPrecision::kInt8;
    const TensorType type = int8 ? TensorType::kQ8_0 : TensorType::kF32;
    const std::size_t row_bytes = int8 ? columns / kBlock * kBlockBytes : columns * sizeof(float);
    const auto source = [&](std::uint64_t offset, std::span<std::byte> out) -> Result<void> {
      const std::size_t count = out.size() / row_bytes;
      values_.resize(count * columns);
      WEFT_TRY_VOID(tensors_.read_rows(tensor, offset / row_bytes, count, values_));
      WEFT_TRY_VOID(check_finite(tensor, values_));
      for (std::size_t i = 0; !scale.empty() && i < values_.size(); ++i) {
        values_[i] /= scale[i % columns];
      }
      if (int8) {
        quantize_q8_0(values_, quant_max(part), out);
      } else {
        std::memcpy(out.data(), values_.data(), out.size());
      }
      return {};
    };
    auto packed = cpu::Matrix::pack(type, rows_out, columns, source, level_, arena_);
    if (!packed) {
      return std::move(packed).error().with_context("tensor " + tensors_.name(tensor));
    }
    matrix.emplace(*std::move(packed));
    WEFT_TRY(values, rows({part, layer, true}, 1, rows_out));
    bias = std::move(values);
    return {};
  }

 private:
  Result<std::vector<float>> read_rows(const EncoderTensor& tensor, std::uint64_t rows,
                                       std::size_t columns) const {
    std::vector<float> values(rows * columns);
    WEFT_TRY_VOID(tensors_.read_rows(tensor, 0, rows, values));
    WEFT_TRY_VOID(check_finite(tensor, values));
    return values;
  }

  Result<void> check(const EncoderTensor& tensor, std::uint64_t rows, std::size_t columns) const {
    const auto shape = tensors_.shape(tensor);
    if (!shape) {
      return Error{ErrorCode::kCorrupt,
                   "tensor " + tensors_.name(tensor) + " is missing, or no float tensor"};
    }
    if (shape->rows == rows && shape->columns == columns) return {};
    return Error{ErrorCode::kCorrupt, "tensor " + tensors_.name(tensor) + " has the shape " +
                                          std::to_string(shape->rows) + " x " +
                                          std::to_string(shape->columns) +
                                          "; the configuration calls for " + std::to_string(rows) +
                                          " x " + std::to_string(columns)};
  }

  Result<void> check_finite(const EncoderTensor& tensor, std::span<const float> values) const {
    // The sum of 0 * x is 0 unless some x isn't finite: no branch a value.
    float poison = 0;
    for (const float value : values) poison += value * 0;
    if (poison == 0) return {};
    return Error{ErrorCode::kCorrupt,
                 "tensor " + tensors_.name(tensor) + " holds a value that isn't finite"};
  }

  const EncoderTensors& tensors_;
  EmbedderPrecision precision_;
  cpu::Level level_;
  cpu::WeightArena arena_;
  std::vector<float> values_;
};

/// `before` is the norm whose output the layer reads.
Result<void> load_layer(Loader& loader, const EncoderConfig& config, std::size_t index,
                        const EncoderNorm& before, EncoderLayer& to) {
  const std::size_t width = config.width;
  WEFT_TRY(attention_norm, loader.norm(EncoderPart::kAttentionNorm, index, width));
  WEFT_TRY(output_norm, loader.norm(EncoderPart::kOutputNorm, index, width));
  to.attention_norm = std::move(attention_norm);
  to.output_norm = std::move(output_norm);
  // Queries and keys mind errors little; the values' needs decide for the three.
  WEFT_TRY(attention_scale, loader.input_scale(EncoderPart::kValue, index, width, before));
  WEFT_TRY(up_scale,
           loader.input_scale(EncoderPart::kUp, index, config.ffn_width, to.attention_norm));
  to.attention_scale = std::move(attention_scale);
  to.up_scale = std::move(up_scale);
  struct Linear {
    EncoderPart part;
    std::size_t rows;
    std::size_t columns;
    std::span<const float> scale;
    std::optional<cpu::Matrix>* matrix;
    std::vector<float>* bias;
  };
  const Linear linears[] = {
      {EncoderPart::kQuery, width, width, to.attention_scale, &to.query, &to.query_bias},
      {EncoderPart::kKey, width, width, to.attention_scale, &to.key, &to.key_bias},
      {EncoderPart::kValue, width, width, to.attention_scale, &to.value, &to.value_bias},
      {EncoderPart::kAttentionOutput,
       width,
       width,
       {},
       &to.attention_output,
       &to.attention_output_bias},
      {EncoderPart::kUp, config.ffn_width, width, to.up_scale, &to.up, &to.up_bias},
      {EncoderPart::kDown, width, config.ffn_width, {}, &to.down, &to.down_bias}};
  for (const Linear& each : linears) {
    WEFT_TRY_VOID(loader.linear(each.part, index, each.rows, each.columns, each.scale, *each.matrix,
                                *each.bias));
  }
  return {};
}

}  // namespace

Result<EncoderWeights> load_encoder(const EncoderFiles& files, EmbedderPrecision precision,
                                    cpu::Level level) {
  const EncoderConfig& config = files.config;
  EncoderWeights weights;
  weights.config = config;
  weights.level = level;
  weights.activations = cpu::activation_kind(
      precision == EmbedderPrecision::kInt8 ? TensorType::kQ8_0 : TensorType::kF32);
  if (precision == EmbedderPrecision::kInt8 &&
      (config.width % kBlock != 0 || config.ffn_width % kBlock != 0)) {
    return Error{ErrorCode::kUnsupported,
                 "int8 wants widths that are multiples of 32; this model's are " +
                     std::to_string(config.width) + " and " + std::to_string(config.ffn_width) +
                     ": use the precision f32"};
  }
  const auto tokens = files.tensors->shape({EncoderPart::kTokens, 0, false});
  if (!tokens || tokens->rows != config.vocabulary || tokens->columns != config.width) {
    return Error{ErrorCode::kCorrupt,
                 "tensor " + files.tensors->name({EncoderPart::kTokens, 0, false}) +
                     " isn't there as floats of " + std::to_string(config.vocabulary) + " x " +
                     std::to_string(config.width)};
  }
  Loader loader(*files.tensors, precision, level);
  WEFT_TRY(positions,
           loader.rows({EncoderPart::kPositions, 0, false}, config.positions, config.width));
  WEFT_TRY(type, loader.first_row({EncoderPart::kTypes, 0, false}, config.width));
  WEFT_TRY(norm, loader.norm(EncoderPart::kEmbeddingNorm, 0, config.width));
  weights.positions = std::move(positions);
  weights.type = std::move(type);
  weights.embedding_norm = std::move(norm);
  // A layer at a time: a file that claims more layers than it has costs no memory for the rest.
  for (std::size_t i = 0; i < config.layers; ++i) {
    EncoderLayer layer;
    const EncoderNorm& before = i == 0 ? weights.embedding_norm : weights.layers.back().output_norm;
    WEFT_TRY_VOID(load_layer(loader, config, i, before, layer));
    weights.layers.push_back(std::move(layer));
  }
  for (const EncoderLayer& layer : weights.layers) {
    for (const auto* matrix : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                               &layer.up, &layer.down}) {
      weights.matrix_bytes += (*matrix)->size_bytes();
    }
  }
  return weights;
}

}  // namespace weft::inference
