#include "inference/forward.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "inference/model_config.h"

namespace weft::inference {
namespace {

/// Query tokens that attend together: enough rows to reuse each key loaded, few enough that their
/// scores stay in the second-level cache.
constexpr std::size_t kQueryTokensMax = 16;
constexpr std::size_t kTileScoresMax = 48 * 1024;

struct Range {
  std::size_t begin;
  std::size_t end;
};

Range share(std::size_t count, std::size_t thread, std::size_t threads) noexcept {
  return {count * thread / threads, count * (thread + 1) / threads};
}

unsigned kind_bit(const cpu::Matrix& matrix) noexcept {
  return 1U << static_cast<unsigned>(cpu::activation_kind(matrix.type()));
}

}  // namespace

void QuantisedInput::prepare(unsigned kinds, std::size_t rows, std::size_t columns) {
  kinds_ = kinds;
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    if ((kinds & (1U << i)) != 0) {
      forms_[i].prepare(static_cast<cpu::ActivationKind>(i), rows, columns);
    }
  }
}

void QuantisedInput::set_row(cpu::Level level, std::size_t row, const float* x) noexcept {
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    if ((kinds_ & (1U << i)) != 0) forms_[i].set_row(level, row, x);
  }
}

/// What one thread needs for itself.
struct Forward::Scratch {
  std::vector<float> row;                   // a normed row
  QuantisedInput normed, attended, hidden;  // of a single token
  std::vector<float> queries, scores, out;
};

struct Forward::Chunk {
  std::size_t position;      // of its first token
  std::size_t count;         // tokens
  std::size_t first_wanted;  // of them, whose states after the last layer are wanted
  KvCache* cache;
};

/// One thread's part of a chunk. A single token's norm and quantisation are computed by every
/// thread for itself, which is cheaper than a barrier; a longer chunk's are split by token.
class Forward::Worker {
 public:
  Worker(Forward& forward, const Chunk& chunk, std::size_t thread, cpu::Team& team)
      : f_(forward),
        config_(forward.model_.config),
        kernels_(forward.kernels_),
        chunk_(chunk),
        thread_(thread),
        team_(team),
        scratch_(forward.scratch_[thread]) {}

  void run() {
    for (std::size_t i = 0; i < config_.layers; ++i) {
      const LayerWeights& layer = f_.model_.layers[i];
      project(layer);
      store_keys(layer, i);
      // Past here the last layer only matters for the rows whose logits are wanted.
      const std::size_t first = i + 1 == config_.layers ? chunk_.first_wanted : 0;
      if (first == chunk_.count) return;
      attend(layer, i, first);
      feed_forward(layer, first);
    }
  }

  void logits(std::size_t first, std::size_t count, float* out) {
    const cpu::Matrix& output = *f_.model_.output;
    const QuantisedInput& input = normed(f_.x_.data() + first * config_.width,
                                         f_.model_.output_norm, kind_bit(output), count);
    multiply(output, input, out, config_.vocabulary);
  }

 private:
  /// `count` rows of `columns` values, quantised for `kinds`: fill(row) returns the row.
  template <typename Fill>
  const QuantisedInput& quantised(QuantisedInput& own, QuantisedInput& shared, unsigned kinds,
                                  std::size_t count, std::size_t columns, const Fill& fill) {
    if (count == 1) {
      own.prepare(kinds, 1, columns);
      own.set_row(f_.model_.level, 0, fill(0));
      return own;
    }
    if (thread_ == 0) shared.prepare(kinds, count, columns);
    team_.barrier();
    const Range mine = share(count, thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      shared.set_row(f_.model_.level, i, fill(i));
    }
    team_.barrier();
    return shared;
  }

  const QuantisedInput& normed(const float* x, const std::vector<float>& weight, unsigned kinds,
                               std::size_t count) {
    return quantised(scratch_.normed, f_.normed_input_, kinds, count, config_.width,
                     [&](std::size_t i) {
                       kernels_.rms_norm(x + i * config_.width, weight.data(), config_.norm_epsilon,
                                         config_.width, scratch_.row.data());
                       return scratch_.row.data();
                     });
  }

  /// y = this thread's rows of matrix . input; returns which.
  cpu::RowRange multiply(const cpu::Matrix& matrix, const QuantisedInput& input, float* y,
                         std::size_t stride) {
    const cpu::RowRange rows = matrix.partition(thread_, team_.size());
    if (rows.begin < rows.end) {
      matrix.multiply(input.of(cpu::activation_kind(matrix.type())), rows, y, stride);
    }
    return rows;
  }

  /// multiply() and, where there is one, the bias.
  void project(const cpu::Matrix& matrix, const std::vector<float>& bias,
               const QuantisedInput& input, float* y) {
    const cpu::RowRange rows = multiply(matrix, input, y, matrix.rows());
    if (bias.empty() || rows.begin == rows.end) return;
    for (std::size_t i = 0; i < chunk_.count; ++i) {
      kernels_.add(y + i * matrix.rows() + rows.begin, bias.data() + rows.begin,
                   rows.end - rows.begin);
    }
  }

  /// multiply() and add to the residual stream, rows [first, count) of the chunk; normed before,
  /// if `norm` isn't empty.
  void add_branch(const cpu::Matrix& matrix, const QuantisedInput& input, std::size_t first,
                  const std::vector<float>& norm) {
    float* y = f_.y_.data();
    const cpu::RowRange rows = multiply(matrix, input, y, config_.width);
    if (!norm.empty()) return add_normed(first, norm);
    if (rows.begin == rows.end) return;
    for (std::size_t i = first; i < chunk_.count; ++i) {
      kernels_.add(f_.x_.data() + i * config_.width + rows.begin,
                   y + (i - first) * config_.width + rows.begin, rows.end - rows.begin);
    }
  }

  /// Adds the norms of the whole rows of y, which all threads have to write first.
  void add_normed(std::size_t first, const std::vector<float>& norm) {
    team_.barrier();
    const std::size_t width = config_.width;
    const Range mine = share(chunk_.count - first, thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      kernels_.rms_norm(f_.y_.data() + i * width, norm.data(), config_.norm_epsilon, width,
                        scratch_.row.data());
      kernels_.add(f_.x_.data() + (first + i) * width, scratch_.row.data(), width);
    }
  }

  void project(const LayerWeights& layer) {
    const QuantisedInput& input =
        normed(f_.x_.data(), layer.attention_norm, f_.normed_kinds_, chunk_.count);
    project(*layer.q, layer.q_bias, input, f_.q_.data());
    project(*layer.k, layer.k_bias, input, f_.k_.data());
    project(*layer.v, layer.v_bias, input, f_.v_.data());
    team_.barrier();
  }

  /// One head of q or k at the chunk's token `row`: its norm, where there is one, and its rotation.
  void place(float* head, std::size_t row, std::size_t layer,
             const std::vector<float>& norm) const {
    if (!norm.empty()) {
      kernels_.rms_norm(head, norm.data(), config_.norm_epsilon, config_.head_width, head);
    }
    const std::size_t pairs = config_.rope_width / 2;
    const Rotations& rotations = f_.rotations_[config_.attention[layer].rope];
    const float* cosines = rotations.cosines.data() + row * pairs;
    const float* sines = rotations.sines.data() + row * pairs;
    if (config_.rope_pairing == RopePairing::kNeighbours) {
      kernels_.rotate_neighbours(head, cosines, sines, pairs);
    } else {
      kernels_.rotate_halves(head, cosines, sines, pairs);
    }
  }

  /// Places the keys and writes keys and values into the cache, split by (token, head).
  void store_keys(const LayerWeights& weights, std::size_t layer) {
    const std::size_t hd = config_.head_width;
    const Range mine = share(chunk_.count * config_.kv_heads, thread_, team_.size());
    std::uint16_t key[kHeadWidthMax];
    std::uint16_t value[kHeadWidthMax];
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      const std::size_t row = i / config_.kv_heads;
      float* k = f_.k_.data() + i * hd;
      place(k, row, layer, weights.k_norm);
      kernels_.to_half(k, hd, key);
      kernels_.to_half(f_.v_.data() + i * hd, hd, value);
      chunk_.cache->store(chunk_.position + row, layer, i % config_.kv_heads, key, value);
    }
    team_.barrier();
  }

  /// Attention of the rows [first, count) and its output projection.
  void attend(const LayerWeights& layer, std::size_t index, std::size_t first) {
    const std::size_t group = config_.heads / config_.kv_heads;
    const std::size_t rows = chunk_.count - first;
    if (rows == 1) {
      // One token: its heads are split, evenly also where there are few KV heads.
      const Range heads = share(config_.heads, thread_, team_.size());
      for (std::size_t h = heads.begin; h < heads.end;) {
        const std::size_t kv_head = h / group;
        const std::size_t end = std::min(heads.end, (kv_head + 1) * group);
        attend_tile(index, kv_head, {first, first + 1}, {h, end});
        h = end;
      }
    } else {
      // Later tokens see more; dealing the tiles out in turn shares that evenly.
      const std::size_t each = query_tokens(index, group);
      const std::size_t tiles = (rows + each - 1) / each;
      for (std::size_t i = thread_; i < tiles * config_.kv_heads; i += team_.size()) {
        const std::size_t begin = first + i / config_.kv_heads * each;
        const std::size_t kv_head = i % config_.kv_heads;
        attend_tile(index, kv_head, {begin, std::min(begin + each, chunk_.count)},
                    {kv_head * group, (kv_head + 1) * group});
      }
    }
    team_.barrier();
    const std::size_t width = config_.heads * config_.head_width;
    const float* attended = f_.attended_.data() + first * width;
    const QuantisedInput& input =
        quantised(scratch_.attended, f_.attended_input_, f_.attended_kinds_, rows, width,
                  [&](std::size_t i) { return attended + i * width; });
    add_branch(*layer.attention_output, input, first, layer.attention_post_norm);
    team_.barrier();
  }

  /// How many tokens' scores fit together, `group` rows each.
  std::size_t query_tokens(std::size_t layer, std::size_t group) const {
    const std::size_t window = config_.attention[layer].window;
    const std::size_t all = chunk_.position + chunk_.count;
    const std::size_t seen =
        window == 0 ? all : std::min(all, window + kQueryTokensMax + KvCache::kBlockTokens);
    return std::clamp<std::size_t>(kTileScoresMax / (group * seen), 1, kQueryTokensMax);
  }

  /// Query heads of one KV head, for a few tokens of the chunk: all scores, their softmax, then the
  /// weighted values, block after block. llama.cpp rounds queries and weights to fp16.
  void attend_tile(std::size_t layer, std::size_t kv_head, Range tokens, Range heads) {
    constexpr std::size_t kBlock = KvCache::kBlockTokens;
    const std::size_t hd = config_.head_width;
    const std::size_t heads_each = heads.end - heads.begin;
    const std::size_t rows = (tokens.end - tokens.begin) * heads_each;
    const std::size_t q_width = config_.heads * hd;
    const std::size_t position = chunk_.position + tokens.begin;  // of the first token
    const std::size_t seen = chunk_.position + tokens.end;        // by the last of the tokens
    // Blocks before the first token's window are outside of all of them.
    const std::size_t window = config_.attention[layer].window;
    const auto window_begin = [&](std::size_t end) {
      return window != 0 && end > window ? end - window : 0;
    };
    const std::size_t first_block = window_begin(position + 1) / kBlock;
    const std::size_t origin = first_block * kBlock;
    const std::size_t blocks = (seen + kBlock - 1) / kBlock;
    const std::size_t stride = (blocks - first_block) * kBlock;
    Scratch& s = scratch_;
    if (s.queries.size() < rows * hd) s.queries.resize(rows * hd);
    if (s.scores.size() < rows * stride) s.scores.resize(rows * stride);
    s.out.assign(rows * hd, 0.0F);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t token = tokens.begin + r / heads_each;
      const std::size_t head = heads.begin + r % heads_each;
      float* q = s.queries.data() + r * hd;
      std::copy_n(f_.q_.data() + token * q_width + head * hd, hd, q);
      place(q, token, layer, f_.model_.layers[layer].q_norm);
      kernels_.round_to_half(q, hd);
    }
    // Rows of tokens before a block see nothing of it; they come first.
    const auto for_blocks = [&](const auto& body) {
      for (std::size_t b = first_block; b < blocks; ++b) {
        const std::size_t start = b * kBlock;
        const std::size_t skip = start > position ? (start - position) * heads_each : 0;
        body(b, start - origin, std::min(kBlock, seen - start), skip);
      }
    };
    for_blocks([&](std::size_t b, std::size_t start, std::size_t positions, std::size_t skip) {
      kernels_.attention_scores(chunk_.cache->keys(b, layer, kv_head), hd,
                                s.queries.data() + skip * hd, rows - skip, positions,
                                s.scores.data() + skip * stride + start, stride);
    });
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t end = position + r / heads_each + 1;
      kernels_.attention_weights(s.scores.data() + r * stride, window_begin(end) - origin,
                                 end - origin, stride, config_.attention_scale);
    }
    for_blocks([&](std::size_t b, std::size_t start, std::size_t positions, std::size_t skip) {
      kernels_.attention_values(chunk_.cache->values(b, layer, kv_head), hd,
                                s.scores.data() + skip * stride + start, stride, rows - skip,
                                positions, s.out.data() + skip * hd);
    });
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t token = tokens.begin + r / heads_each;
      const std::size_t head = heads.begin + r % heads_each;
      std::copy_n(s.out.data() + r * hd, hd, f_.attended_.data() + token * q_width + head * hd);
    }
  }

  void feed_forward(const LayerWeights& layer, std::size_t first) {
    const std::size_t rows = chunk_.count - first;
    const std::size_t ffn = config_.ffn_width;
    const QuantisedInput& input =
        normed(f_.x_.data() + first * config_.width, layer.ffn_norm, f_.normed_kinds_, rows);
    const cpu::RowRange mine = multiply(*layer.gate, input, f_.gate_.data(), ffn);
    multiply(*layer.up, input, f_.up_.data(), ffn);
    const auto activate = config_.activation == Activation::kSilu ? kernels_.silu_multiply
                                                                  : kernels_.gelu_tanh_multiply;
    for (std::size_t i = 0; i < rows && mine.begin < mine.end; ++i) {
      activate(f_.gate_.data() + i * ffn + mine.begin, f_.up_.data() + i * ffn + mine.begin,
               mine.end - mine.begin);
    }
    team_.barrier();
    const QuantisedInput& hidden =
        quantised(scratch_.hidden, f_.hidden_input_, f_.hidden_kinds_, rows, ffn,
                  [&](std::size_t i) { return f_.gate_.data() + i * ffn; });
    add_branch(*layer.down, hidden, first, layer.ffn_post_norm);
    team_.barrier();
  }

  Forward& f_;
  const ModelConfig& config_;
  const cpu::VectorKernels& kernels_;
  const Chunk& chunk_;
  std::size_t thread_;
  cpu::Team& team_;
  Scratch& scratch_;
};

Forward::Forward(const Model::State& model, cpu::ThreadPool& pool)
    : model_(model),
      kernels_(cpu::vector_kernels(model.level)),
      pool_(pool),
      scratch_(pool.size()) {
  for (const LayerWeights& layer : model_.layers) {
    for (const auto* matrix : {&layer.q, &layer.k, &layer.v, &layer.gate, &layer.up}) {
      normed_kinds_ |= kind_bit(**matrix);
    }
    attended_kinds_ |= kind_bit(*layer.attention_output);
    hidden_kinds_ |= kind_bit(*layer.down);
  }
  for (Scratch& s : scratch_) s.row.resize(model_.config.width);
}

Forward::~Forward() = default;

Result<void> Forward::embed(std::span<const TokenId> ids) {
  const std::size_t width = model_.config.width;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    WEFT_TRY_VOID(model_.file.read_rows(*model_.embedding, static_cast<std::uint64_t>(ids[i]), 1,
                                        std::span(x_).subspan(i * width, width)));
  }
  if (model_.config.embedding_scale != 1) {
    for (float& value : std::span(x_).first(ids.size() * width)) {
      value *= model_.config.embedding_scale;
    }
  }
  return {};
}

void Forward::rotations(std::size_t position, std::size_t count) {
  rotations_.resize(model_.rope_frequencies.size());
  for (std::size_t r = 0; r < rotations_.size(); ++r) {
    const std::vector<double>& frequencies = model_.rope_frequencies[r];
    const std::size_t pairs = frequencies.size();
    rotations_[r].cosines.resize(count * pairs);
    rotations_[r].sines.resize(count * pairs);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < pairs; ++j) {
        // In double: far positions turn many times, and a float's angle would be off.
        const double angle = static_cast<double>(position + i) * frequencies[j];
        rotations_[r].cosines[i * pairs + j] = static_cast<float>(std::cos(angle));
        rotations_[r].sines[i * pairs + j] = static_cast<float>(std::sin(angle));
      }
    }
  }
}

Result<void> Forward::read(std::span<const TokenId> ids, std::size_t first_wanted, KvCache& cache) {
  assert(!ids.empty() && ids.size() <= kChunkTokensMax && first_wanted <= ids.size());
  const ModelConfig& config = model_.config;
  const std::size_t n = ids.size();
  const auto grow = [&](std::vector<float>& values, std::size_t columns) {
    if (values.size() < n * columns) values.resize(n * columns);
  };
  for (auto* values : {&x_, &y_}) grow(*values, config.width);
  for (auto* values : {&q_, &attended_}) grow(*values, config.heads * config.head_width);
  for (auto* values : {&k_, &v_}) grow(*values, config.kv_heads * config.head_width);
  for (auto* values : {&gate_, &up_}) grow(*values, config.ffn_width);
  WEFT_TRY_VOID(embed(ids));
  const Chunk chunk{cache.length(), n, first_wanted, &cache};
  rotations(chunk.position, n);
  cache.extend(chunk.position + n);
  pool_.run([&](std::size_t thread, cpu::Team& team) { Worker(*this, chunk, thread, team).run(); });
  wanted_begin_ = first_wanted;
  wanted_end_ = n;
  return {};
}

void Forward::logits(std::size_t first, std::size_t count, float* out) {
  assert(count <= kLogitsRowsMax && wanted_begin_ + first + count <= wanted_end_);
  const Chunk chunk{};
  pool_.run([&](std::size_t thread, cpu::Team& team) {
    Worker(*this, chunk, thread, team).logits(wanted_begin_ + first, count, out);
  });
}

}  // namespace weft::inference
