#include "tests/fakes/reference_forward.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>

namespace weft::fakes {
namespace {

using inference::GgufFile;
using inference::TapPoint;
using inference::TensorInfo;

using Vector = std::vector<double>;
using Rows = std::vector<Vector>;  // one of each position

struct Matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  Vector values;  // row-major
};

struct Config {
  std::size_t layers, width, heads, kv_heads, head_width, rope_width;
  double epsilon, rope_base, position_scale;
  std::string_view architecture;
  std::size_t window, window_pattern;  // 0: all layers see everything
  std::size_t context_length;
};

// One layer's positions: how they turn, and how many a query sees.
struct Positions {
  double base, scale;
  std::size_t window;
  std::size_t sinks = 0;              // seen beyond the window too,
  std::size_t sink_distance_max = 0;  // from no further away than this position
};

Positions positions_of(const Config& config, std::size_t layer, const inference::Hooks& hooks) {
  const std::size_t period = config.window_pattern;
  const auto& [window, sinks, distance] = hooks.attention;
  const std::size_t asked = window == 0 ? SIZE_MAX : window;
  if (config.window == 0 || layer % period == period - 1) {
    const float base = hooks.positions.rope_base;
    return {base == 0 ? config.rope_base : static_cast<double>(base),
            config.position_scale * static_cast<double>(hooks.positions.scale), asked, sinks,
            distance == 0 ? config.context_length : distance};
  }
  return {10000, 1, std::min(asked, config.window)};
}

Result<Matrix> read_matrix(const GgufFile& file, const std::string& name, std::size_t columns) {
  const TensorInfo* tensor = file.tensor(name);
  if (tensor == nullptr) return Error{ErrorCode::kCorrupt, "there is no tensor " + name};
  if (tensor->row_length() != columns) {
    return Error{ErrorCode::kCorrupt, name + " has rows of " +
                                          std::to_string(tensor->row_length()) + ", not " +
                                          std::to_string(columns)};
  }
  std::vector<float> values(tensor->rows() * columns);
  WEFT_TRY_VOID(file.read_rows(*tensor, 0, tensor->rows(), values));
  return Matrix{tensor->rows(), columns, Vector(values.begin(), values.end())};
}

Result<Vector> read_vector(const GgufFile& file, const std::string& name, std::size_t size) {
  WEFT_TRY(matrix, read_matrix(file, name, size));
  return std::move(matrix.values);
}

Result<Config> read_config(const GgufFile& file) {
  WEFT_TRY(architecture, file.string("general.architecture"));
  if (architecture != "llama" && architecture != "qwen2" && architecture != "qwen3" &&
      architecture != "gemma3") {
    return Error{ErrorCode::kUnsupported, "architecture " + std::string(architecture)};
  }
  const std::string prefix = std::string(architecture) + ".";
  WEFT_TRY(layers, file.unsigned_integer(prefix + "block_count"));
  WEFT_TRY(width, file.unsigned_integer(prefix + "embedding_length"));
  WEFT_TRY(heads, file.unsigned_integer(prefix + "attention.head_count"));
  WEFT_TRY(kv_heads, file.unsigned_integer(prefix + "attention.head_count_kv"));
  WEFT_TRY(epsilon, file.number(prefix + "attention.layer_norm_rms_epsilon"));
  if (heads == 0 || kv_heads == 0 || heads % kv_heads != 0) {
    return Error{ErrorCode::kCorrupt, "the heads don't share keys evenly"};
  }
  const std::size_t head_width =
      file.unsigned_integer(prefix + "attention.key_length").value_or(width / heads);
  return Config{layers,
                width,
                heads,
                kv_heads,
                head_width,
                file.unsigned_integer(prefix + "rope.dimension_count").value_or(head_width),
                epsilon,
                file.number(prefix + "rope.freq_base").value_or(10000.0),
                1 / file.number(prefix + "rope.scaling.factor").value_or(1.0),
                architecture,
                file.unsigned_integer(prefix + "attention.sliding_window").value_or(0),
                file.unsigned_integer(prefix + "attention.sliding_window_pattern").value_or(6),
                file.unsigned_integer(prefix + "context_length").value_or(0)};
}

Vector multiply(const Matrix& matrix, const Vector& x) {
  Vector y(matrix.rows, 0.0);
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    for (std::size_t c = 0; c < matrix.columns; ++c) {
      y[r] += matrix.values[r * matrix.columns + c] * x[c];
    }
  }
  return y;
}

void add_to(Vector& x, const Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

Vector rms_norm(const Vector& x, const Vector& weight, double epsilon) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  Vector y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * weight[i];
  return y;
}

// Rotates every head of `x`: llama pairs neighbours, the others the first half with the second.
void rotate(Vector& x, std::size_t position, const Config& config, const Positions& turns) {
  const std::size_t pairs = config.rope_width / 2;
  const bool neighbours = config.architecture == "llama";
  for (std::size_t head = 0; head < x.size(); head += config.head_width) {
    for (std::size_t i = 0; i < pairs; ++i) {
      const double exponent = -static_cast<double>(2 * i) / static_cast<double>(config.rope_width);
      const double angle =
          static_cast<double>(position) * turns.scale * std::pow(turns.base, exponent);
      double& a = x[head + (neighbours ? 2 * i : i)];
      double& b = x[head + (neighbours ? 2 * i + 1 : i + pairs)];
      const double rotated = a * std::cos(angle) - b * std::sin(angle);
      b = a * std::sin(angle) + b * std::cos(angle);
      a = rotated;
    }
  }
}

// One head's query against the keys of the last `window` positions up to its own and, as `far`,
// those of the sinks before; then the weighted mean of values. Hands products and weights to
// `told`.
template <typename Told>
void attend_head(std::size_t head, std::size_t position, const Positions& seen, const Vector& q,
                 const Vector& far, const Rows& k, const Rows& v, const Config& config, Vector& out,
                 const Told& told) {
  const std::size_t width = config.head_width;
  const std::size_t at = head * width;
  const std::size_t kv_at = head / (config.heads / config.kv_heads) * width;
  const std::size_t first = position < seen.window ? 0 : position + 1 - seen.window;
  Vector weights(position + 1, -std::numeric_limits<double>::infinity());
  for (std::size_t p = 0; p <= position; ++p) {
    if (p < first && p >= seen.sinks) continue;
    weights[p] = 0;
    for (std::size_t i = 0; i < width; ++i) {
      weights[p] += (p < first ? far : q)[at + i] * k[p][kv_at + i];
    }
  }
  const Vector products = weights;
  for (double& weight : weights) weight /= std::sqrt(static_cast<double>(width));
  const double largest = *std::ranges::max_element(weights);
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  for (double& weight : weights) weight /= sum;
  for (std::size_t p = 0; p <= position; ++p) {
    for (std::size_t i = 0; i < width; ++i) out[at + i] += weights[p] * v[p][kv_at + i];
  }
  told(products, weights);
}

// A norm by `name` for each `width` values of `x`, if the file has it.
Result<void> norm_if_there(const GgufFile& file, const std::string& name, std::size_t width,
                           const Config& config, Rows& rows) {
  if (file.tensor(name) == nullptr) return {};
  WEFT_TRY(weight, read_vector(file, name, width));
  for (Vector& x : rows) {
    for (std::size_t at = 0; at < x.size(); at += width) {
      const auto first = x.begin() + static_cast<std::ptrdiff_t>(at);
      const Vector part(first, first + static_cast<std::ptrdiff_t>(width));
      std::ranges::copy(rms_norm(part, weight, config.epsilon), first);
    }
  }
  return {};
}

// q, k or v of every position, from the normed rows.
Result<Rows> project(const GgufFile& file, const std::string& name, const Rows& normed,
                     std::size_t rows, const Config& config) {
  WEFT_TRY(matrix, read_matrix(file, name + ".weight", config.width));
  if (matrix.rows != rows) return Error{ErrorCode::kCorrupt, name + " has the wrong height"};
  Vector bias(rows, 0.0);
  if (file.tensor(name + ".bias") != nullptr) {
    WEFT_TRY(stored, read_vector(file, name + ".bias", rows));
    bias = std::move(stored);
  }
  Rows out;
  for (const Vector& x : normed) {
    out.push_back(multiply(matrix, x));
    add_to(out.back(), bias);
  }
  return out;
}

using AtPoint = std::function<void(TapPoint, Rows&)>;

Result<void> attention(const GgufFile& file, std::size_t layer, const Config& config,
                       const AtPoint& at_point, const ReferenceOptions& options, Rows& residual) {
  const std::string block = "blk." + std::to_string(layer) + ".";
  WEFT_TRY(norm, read_vector(file, block + "attn_norm.weight", config.width));
  const std::size_t q_width = config.heads * config.head_width;
  const std::size_t kv_width = config.kv_heads * config.head_width;
  WEFT_TRY(output, read_matrix(file, block + "attn_output.weight", q_width));
  Rows normed;
  for (const Vector& x : residual) normed.push_back(rms_norm(x, norm, config.epsilon));
  at_point(TapPoint::kAttentionNormOut, normed);
  WEFT_TRY(q, project(file, block + "attn_q", normed, q_width, config));
  WEFT_TRY(k, project(file, block + "attn_k", normed, kv_width, config));
  WEFT_TRY(v, project(file, block + "attn_v", normed, kv_width, config));
  const std::size_t width = config.head_width;
  WEFT_TRY_VOID(norm_if_there(file, block + "attn_q_norm.weight", width, config, q));
  WEFT_TRY_VOID(norm_if_there(file, block + "attn_k_norm.weight", width, config, k));
  const Positions turns = positions_of(config, layer, options.hooks);
  Rows branch;
  for (std::size_t position = 0; position < residual.size(); ++position) {
    Vector far = q[position];
    rotate(far, std::min(position, turns.sink_distance_max), config, turns);
    rotate(q[position], position, config, turns);
    rotate(k[position], position, config, turns);
    Vector mixed(q_width, 0.0);
    for (std::size_t head = 0; head < config.heads; ++head) {
      attend_head(head, position, turns, q[position], far, k, v, config, mixed,
                  [&](const Vector& products, const Vector& weights) {
                    if (options.scores) options.scores(layer, position, head, products, weights);
                  });
    }
    branch.push_back(multiply(output, mixed));
  }
  WEFT_TRY_VOID(
      norm_if_there(file, block + "post_attention_norm.weight", config.width, config, branch));
  at_point(TapPoint::kAttentionOut, branch);
  for (std::size_t i = 0; i < residual.size(); ++i) add_to(residual[i], branch[i]);
  return {};
}

double activation(double x, const Config& config) {
  if (config.architecture != "gemma3") return x / (1 + std::exp(-x));  // silu
  const double u = std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
  return x / 2 * (1 + std::tanh(u));  // gelu
}

Result<void> feed_forward(const GgufFile& file, const std::string& block, const Config& config,
                          const AtPoint& at_point, Rows& residual) {
  WEFT_TRY(norm, read_vector(file, block + "ffn_norm.weight", config.width));
  WEFT_TRY(gate, read_matrix(file, block + "ffn_gate.weight", config.width));
  WEFT_TRY(up, read_matrix(file, block + "ffn_up.weight", config.width));
  WEFT_TRY(down, read_matrix(file, block + "ffn_down.weight", gate.rows));
  Rows normed;
  for (const Vector& x : residual) normed.push_back(rms_norm(x, norm, config.epsilon));
  at_point(TapPoint::kFfnNormOut, normed);
  Rows branch;
  for (const Vector& x : normed) {
    Vector hidden = multiply(gate, x);
    const Vector factor = multiply(up, x);
    for (std::size_t i = 0; i < hidden.size(); ++i) {
      hidden[i] = activation(hidden[i], config) * factor[i];
    }
    branch.push_back(multiply(down, hidden));
  }
  WEFT_TRY_VOID(norm_if_there(file, block + "post_ffw_norm.weight", config.width, config, branch));
  at_point(TapPoint::kFfnOut, branch);
  for (std::size_t i = 0; i < residual.size(); ++i) add_to(residual[i], branch[i]);
  return {};
}

Result<Rows> embed(const Matrix& embedding, std::span<const inference::TokenId> ids) {
  Rows rows;
  for (const inference::TokenId id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= embedding.rows) {
      return Error{ErrorCode::kInvalidArgument, "id " + std::to_string(id)};
    }
    const auto first =
        embedding.values.begin() +
        static_cast<std::ptrdiff_t>(static_cast<std::size_t>(id) * embedding.columns);
    rows.emplace_back(first, first + static_cast<std::ptrdiff_t>(embedding.columns));
  }
  return rows;
}

}  // namespace

Result<std::vector<std::vector<double>>> reference_logits(const GgufFile& file,
                                                          std::span<const inference::TokenId> ids,
                                                          const ReferenceOptions& options) {
  WEFT_TRY(config, read_config(file));
  WEFT_TRY(embedding, read_matrix(file, "token_embd.weight", config.width));
  WEFT_TRY(rows, embed(embedding, ids));
  return reference_logits_of_rows(file, std::move(rows), options);
}

Result<Rows> reference_logits_of_rows(const GgufFile& file, Rows residual,
                                      const ReferenceOptions& options) {
  WEFT_TRY(config, read_config(file));
  WEFT_TRY(head, read_matrix(file, "token_embd.weight", config.width));
  if (config.architecture == "gemma3") {
    for (Vector& x : residual) {
      for (double& value : x) value *= std::sqrt(static_cast<double>(config.width));
    }
  }
  std::vector<std::size_t> layers(config.layers);
  std::iota(layers.begin(), layers.end(), std::size_t{0});
  for (const std::size_t i : options.hooks.program.value_or(layers)) {
    const std::string block = "blk." + std::to_string(i) + ".";
    const auto at_point = [&](TapPoint point, Rows& rows) {
      if (options.tap) options.tap(i, point, rows);
    };
    at_point(TapPoint::kLayerIn, residual);
    WEFT_TRY_VOID(attention(file, i, config, at_point, options, residual));
    at_point(TapPoint::kFfnIn, residual);
    WEFT_TRY_VOID(feed_forward(file, block, config, at_point, residual));
    at_point(TapPoint::kLayerOut, residual);
  }
  WEFT_TRY(norm, read_vector(file, "output_norm.weight", config.width));
  if (file.tensor("output.weight") != nullptr) {
    WEFT_TRY(separate, read_matrix(file, "output.weight", config.width));
    head = std::move(separate);
  }
  Rows logits;
  for (const Vector& x : residual) {
    logits.push_back(multiply(head, rms_norm(x, norm, config.epsilon)));
  }
  return logits;
}

}  // namespace weft::fakes
