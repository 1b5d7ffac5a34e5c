#include "inference/cpu/forward.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

namespace weft::inference::cpu {
namespace {

struct Range {
  std::size_t begin;
  std::size_t end;
};

Range share(std::size_t count, std::size_t thread, std::size_t threads) noexcept {
  return {count * thread / threads, count * (thread + 1) / threads};
}

unsigned kind_bit(const Matrix& matrix) noexcept {
  return 1U << static_cast<unsigned>(activation_kind(matrix.type()));
}

}  // namespace

void QuantisedInput::prepare(unsigned kinds, std::size_t rows, std::size_t columns,
                             const AdapterRows& adapted) {
  kinds_ = kinds;
  adapted_ = &adapted;
  const auto groups = adapted.groups();
  if (adapted_forms_.size() < groups.size()) adapted_forms_.resize(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    adapted_forms_[i].prepare(ActivationKind::kFloat, groups[i].rows.size(), columns);
  }
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    if ((kinds & (1U << i)) != 0) {
      forms_[i].prepare(static_cast<ActivationKind>(i), rows, columns);
    }
  }
}

void QuantisedInput::set_row(Level level, std::size_t row, const float* x) noexcept {
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    if ((kinds_ & (1U << i)) != 0) forms_[i].set_row(level, row, x);
  }
  if (adapted_->empty()) return;
  adapted_->at(row, [&](std::size_t group, std::size_t index) {
    adapted_forms_[group].set_row(level, index, x);
  });
}

/// What one thread needs for itself.
struct Forward::Scratch {
  std::vector<float> row;                   // a normed row
  QuantisedInput normed, attended, hidden;  // of a single token
  std::vector<float> queries, sink_queries, scores, out;
  std::vector<float> reduced, change;  // of an adapter
  Activations expanded;                // likewise
};

/// One thread's part of a step. A single token's norm and quantisation are computed by every
/// thread for itself, which is cheaper than a barrier; those of more tokens are split.
class Forward::Worker {
 public:
  Worker(Forward& forward, std::size_t thread, Team& team)
      : f_(forward),
        config_(forward.model_.config),
        kernels_(forward.kernels_),
        thread_(thread),
        team_(team),
        scratch_(forward.scratch_[thread]) {}

  void run() {
    for (const Pass::Layer& each : f_.pass_->layers) {
      at_ = &each;
      const std::size_t i = each.index;
      const LayerWeights& layer = f_.model_.layers[i];
      adapted_ = &f_.queries_.adapted;
      tap(i, TapPoint::kLayerIn, f_.x_);
      project(layer, i);
      store_keys(layer);
      // Past here the last layer only matters for the rows that are kept.
      if (is_last()) rows_ = StepTaps::Rows::kKept;
      const Queries& queries = is_last() ? f_.kept_ : f_.queries_;
      if (queries.tokens.empty()) return;
      adapted_ = &queries.adapted;
      attend(layer, i, queries);
      tap(i, TapPoint::kFfnIn, f_.x_);
      feed_forward(layer, i, queries.tokens.size());
      tap(i, TapPoint::kLayerOut, f_.x_);
    }
  }

  void logits(std::size_t first, std::size_t count, float* out) {
    multiply(*f_.model_.output, head_input(first, count), out, config_.vocabulary);
  }

  /// Of the groups of rows alone, by their index, in order.
  void sparse_logits(std::size_t row, std::span<const std::size_t> groups, float* out) {
    const Matrix& output = *f_.model_.output;
    const Activations& input = head_input(row, 1).of(activation_kind(output.type()));
    const std::size_t each = output.group_rows();
    const Range mine = share(groups.size(), thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end;) {
      std::size_t end = i + 1;
      while (end < mine.end && groups[end] == groups[end - 1] + 1) ++end;
      const RowRange rows{groups[i] * each, std::min((groups[end - 1] + 1) * each, output.rows())};
      output.multiply(input, rows, out, config_.vocabulary);
      i = end;
    }
  }

 private:
  const QuantisedInput& head_input(std::size_t first, std::size_t count) {
    const auto row = [&](std::size_t i) {
      return f_.x_.data() + f_.wanted_[first + i] * config_.width;
    };
    return normed(row, f_.model_.output_norm, kind_bit(*f_.model_.output), count);
  }

  /// `count` rows of `columns` values, quantised for `kinds`: fill(row) returns the row.
  template <typename Fill>
  const QuantisedInput& quantised(QuantisedInput& own, QuantisedInput& shared, unsigned kinds,
                                  std::size_t count, std::size_t columns, const Fill& fill) {
    if (count == 1) {
      own.prepare(kinds, 1, columns, *adapted_);
      own.set_row(f_.model_.level, 0, fill(0));
      return own;
    }
    if (thread_ == 0) shared.prepare(kinds, count, columns, *adapted_);
    team_.barrier();
    const Range mine = share(count, thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      shared.set_row(f_.model_.level, i, fill(i));
    }
    team_.barrier();
    return shared;
  }

  /// The norms of row(0), row(1), ...
  template <typename Row>
  const QuantisedInput& normed(const Row& row, const std::vector<float>& weight, unsigned kinds,
                               std::size_t count) {
    return quantised(scratch_.normed, f_.normed_input_, kinds, count, config_.width,
                     [&](std::size_t i) {
                       kernels_.rms_norm(row(i), weight.data(), config_.norm_epsilon, config_.width,
                                         scratch_.row.data());
                       return scratch_.row.data();
                     });
  }

  /// The norm of the residual stream that a branch of the layer reads.
  const QuantisedInput& branch_input(std::size_t layer, TapPoint point,
                                     const std::vector<float>& weight, std::size_t count) {
    const std::size_t width = config_.width;
    const auto x = [&](std::size_t i) { return f_.x_.data() + i * width; };
    if (!f_.taps_.at(layer, point)) return normed(x, weight, f_.normed_kinds_, count);
    // As rows of floats first. y_ is free: the branch before has been added.
    const auto y = [&](std::size_t i) { return f_.y_.data() + i * width; };
    const Range mine = share(count, thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      kernels_.rms_norm(x(i), weight.data(), config_.norm_epsilon, width, y(i));
    }
    tap(layer, point, f_.y_);
    return quantised(scratch_.normed, f_.normed_input_, f_.normed_kinds_, count, width, y);
  }

  /// Hands `rows` to the taps there, once all threads have written them; they go on when it is
  /// done.
  void tap(std::size_t layer, TapPoint point, std::vector<float>& rows) {
    if (!f_.taps_.at(layer, point)) return;
    team_.barrier();
    if (thread_ == 0) {
      f_.taps_.call(layer, point, rows.data(), tap_width(point, config_), rows_);
    }
    team_.barrier();
  }

  /// y = this thread's rows of matrix . input; returns which.
  RowRange multiply(const Matrix& matrix, const QuantisedInput& input, float* y,
                    std::size_t stride) {
    const RowRange rows = matrix.partition(thread_, team_.size());
    if (rows.begin < rows.end) {
      matrix.multiply(input.of(activation_kind(matrix.type())), rows, y, stride);
    }
    return rows;
  }

  /// A x of the adapters that the step's rows have, for all linear layers at `site`: a single
  /// row's by every thread for itself, else split.
  void reduce(AdapterSite site, const QuantisedInput& input, std::size_t count) {
    if (adapted_->empty()) return;
    const auto groups = adapted_->groups();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const std::optional<Matrix>& a = groups[g].adapter->layers[at_->index].of(site);
      if (!a) continue;
      if (count == 1) scratch_.reduced.resize(groups[g].adapter->site_rank_max);
      float* to = count == 1 ? scratch_.reduced.data() : f_.reduced_[g].data();
      const RowRange rows =
          count == 1 ? RowRange{0, a->rows()} : a->partition(thread_, team_.size());
      if (rows.begin < rows.end) a->multiply(input.of_group(g), rows, to, a->rows());
    }
    if (count != 1) team_.barrier();
  }

  /// multiply() and what adapters change: y += B (A x), after reduce() of the layer's site.
  RowRange multiply(const Matrix& matrix, Linear linear, AdapterSite site,
                    const QuantisedInput& input, std::size_t count, float* y) {
    const RowRange rows = multiply(matrix, input, y, matrix.rows());
    if (adapted_->empty() || rows.begin == rows.end) return rows;
    const auto groups = adapted_->groups();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const AdapterLayer& layer = groups[g].adapter->layers[at_->index];
      const AdapterLayer::Expansion& expansion = layer.of(linear);
      if (!expansion.b) continue;
      const float* reduced =
          (count == 1 ? scratch_.reduced.data() : f_.reduced_[g].data()) + expansion.first_row;
      expand(*expansion.b, reduced, layer.of(site)->rows(), groups[g].rows, rows, y);
    }
    return rows;
  }

  /// y += B t for the given rows of y, whose t follow each other in steps of `stride`.
  void expand(const Matrix& b, const float* t, std::size_t stride, std::span<const std::size_t> to,
              RowRange rows, float* y) {
    constexpr std::size_t kAtOnce = 16;
    Activations& expanded = scratch_.expanded;
    scratch_.change.resize(kAtOnce * b.rows());
    for (std::size_t first = 0; first < to.size(); first += kAtOnce) {
      const std::size_t n = std::min(kAtOnce, to.size() - first);
      expanded.prepare(ActivationKind::kFloat, n, b.columns());
      for (std::size_t i = 0; i < n; ++i) {
        expanded.set_row(f_.model_.level, i, t + (first + i) * stride);
      }
      b.multiply(expanded, rows, scratch_.change.data(), b.rows());
      for (std::size_t i = 0; i < n; ++i) {
        kernels_.add(y + to[first + i] * b.rows() + rows.begin,
                     scratch_.change.data() + i * b.rows() + rows.begin, rows.end - rows.begin);
      }
    }
  }

  /// multiply() and, where there is one, the bias.
  void project(const Matrix& matrix, Linear linear, const std::vector<float>& bias,
               const QuantisedInput& input, float* y) {
    const RowRange rows =
        multiply(matrix, linear, AdapterSite::kAttention, input, f_.queries_.tokens.size(), y);
    if (bias.empty() || rows.begin == rows.end) return;
    for (std::size_t i = 0; i < f_.queries_.tokens.size(); ++i) {
      kernels_.add(y + i * matrix.rows() + rows.begin, bias.data() + rows.begin,
                   rows.end - rows.begin);
    }
  }

  /// multiply() and add to the first `count` rows of the residual stream; normed before, if `norm`
  /// isn't empty. `point` is where it can be tapped.
  void add_branch(const Matrix& matrix, Linear linear, AdapterSite site,
                  const QuantisedInput& input, std::size_t count, const std::vector<float>& norm,
                  std::size_t layer, TapPoint point) {
    float* y = f_.y_.data();
    reduce(site, input, count);
    const RowRange rows = multiply(matrix, linear, site, input, count, y);
    if (f_.taps_.at(layer, point)) return add_tapped(count, norm, layer, point);
    if (!norm.empty()) return add_normed(count, norm);
    if (rows.begin == rows.end) return;
    for (std::size_t i = 0; i < count; ++i) {
      kernels_.add(f_.x_.data() + i * config_.width + rows.begin,
                   y + i * config_.width + rows.begin, rows.end - rows.begin);
    }
  }

  /// Adds the norms of the whole rows of y, which all threads have to write first.
  void add_normed(std::size_t count, const std::vector<float>& norm) {
    team_.barrier();
    const std::size_t width = config_.width;
    const Range mine = share(count, thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      kernels_.rms_norm(f_.y_.data() + i * width, norm.data(), config_.norm_epsilon, width,
                        scratch_.row.data());
      kernels_.add(f_.x_.data() + i * width, scratch_.row.data(), width);
    }
  }

  /// add_normed() with all of y's rows as they are added handed to taps in between.
  void add_tapped(std::size_t count, const std::vector<float>& norm, std::size_t layer,
                  TapPoint point) {
    team_.barrier();
    const std::size_t width = config_.width;
    const Range mine = share(count, thread_, team_.size());
    for (std::size_t i = mine.begin; i < mine.end && !norm.empty(); ++i) {
      float* row = f_.y_.data() + i * width;
      kernels_.rms_norm(row, norm.data(), config_.norm_epsilon, width, scratch_.row.data());
      std::copy_n(scratch_.row.data(), width, row);
    }
    tap(layer, point, f_.y_);
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      kernels_.add(f_.x_.data() + i * width, f_.y_.data() + i * width, width);
    }
  }

  void project(const LayerWeights& layer, std::size_t index) {
    const QuantisedInput& input = branch_input(index, TapPoint::kAttentionNormOut,
                                               layer.attention_norm, f_.queries_.tokens.size());
    reduce(AdapterSite::kAttention, input, f_.queries_.tokens.size());
    project(*layer.q, Linear::kQ, layer.q_bias, input, f_.q_.data());
    project(*layer.k, Linear::kK, layer.k_bias, input, f_.k_.data());
    project(*layer.v, Linear::kV, layer.v_bias, input, f_.v_.data());
    team_.barrier();
  }

  /// One head of q or k at the step's token `row`: its norm, where there is one, and its rotation.
  void place(float* head, std::size_t row, const RopeRotations& of_ropes,
             const std::vector<float>& norm) const {
    if (!norm.empty()) {
      kernels_.rms_norm(head, norm.data(), config_.norm_epsilon, config_.head_width, head);
    }
    const std::size_t pairs = config_.rope_width / 2;
    const Rotations& rotations = of_ropes[at_->rope];
    const float* cosines = rotations.cosines.data() + row * pairs;
    const float* sines = rotations.sines.data() + row * pairs;
    if (config_.rope_pairing == RopePairing::kNeighbours) {
      kernels_.rotate_neighbours(head, cosines, sines, pairs);
    } else {
      kernels_.rotate_halves(head, cosines, sines, pairs);
    }
  }

  /// Places the keys and writes keys and values into the caches, split by (token, head).
  void store_keys(const LayerWeights& weights) {
    const std::size_t hd = config_.head_width;
    const std::vector<QueryToken>& tokens = f_.queries_.tokens;
    const Range mine = share(tokens.size() * config_.kv_heads, thread_, team_.size());
    std::uint16_t key[kHeadWidthMax];
    std::uint16_t value[kHeadWidthMax];
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      const std::size_t row = i / config_.kv_heads;
      float* k = f_.k_.data() + i * hd;
      place(k, row, f_.rotations_, weights.k_norm);
      const float* v = f_.v_.data() + i * hd;
      const QueryToken& token = tokens[row];
      const KvBlock& block = token.cache->block(token.position / kKvBlockTokens);
      const std::size_t column = token.position % kKvBlockTokens;
      const std::size_t head = i % config_.kv_heads;
      if (f_.kv_->type() == KvType::kQ8_0) {
        f_.kv_->store(block, column, at_->slot, head, k, v);
        continue;
      }
      kernels_.to_half(k, hd, key);
      kernels_.to_half(v, hd, value);
      f_.kv_->store(block, column, at_->slot, head, key, value);
    }
    team_.barrier();
  }

  /// Attention of `queries` and its output projection.
  void attend(const LayerWeights& layer, std::size_t index, const Queries& queries) {
    const std::size_t group = config_.heads / config_.kv_heads;
    const std::vector<QueryTile>& tiles = queries.tiles[at_->tiles];
    if (tiles.size() * config_.kv_heads < 2 * team_.size()) {
      // Little to share out: the heads of each tile are split, evenly also with few KV heads.
      const Range heads = share(config_.heads, thread_, team_.size());
      for (const QueryTile& tile : tiles) {
        for (std::size_t h = heads.begin; h < heads.end;) {
          const std::size_t kv_head = h / group;
          const std::size_t end = std::min(heads.end, (kv_head + 1) * group);
          attend_tile(layer, queries.tokens, tile, kv_head, {h, end});
          h = end;
        }
      }
    } else {
      // Later tokens see more; dealing the tiles out in turn shares that evenly.
      for (std::size_t i = thread_; i < tiles.size() * config_.kv_heads; i += team_.size()) {
        const std::size_t kv_head = i % config_.kv_heads;
        attend_tile(layer, queries.tokens, tiles[i / config_.kv_heads], kv_head,
                    {kv_head * group, (kv_head + 1) * group});
      }
    }
    if (thread_ == 0) keep_rows(queries.tokens);
    team_.barrier();
    tap(index, TapPoint::kAttentionMix, f_.attended_);
    const std::size_t count = queries.tokens.size();
    const std::size_t width = config_.heads * config_.head_width;
    const QuantisedInput& input =
        quantised(scratch_.attended, f_.attended_input_, f_.attended_kinds_, count, width,
                  [&](std::size_t i) { return f_.attended_.data() + i * width; });
    add_branch(*layer.attention_output, Linear::kAttentionOutput, AdapterSite::kAttended, input,
               count, layer.attention_post_norm, index, TapPoint::kAttentionOut);
    team_.barrier();
  }

  /// Moves the residual stream of `tokens` to the rows that their attention went to.
  void keep_rows(const std::vector<QueryToken>& tokens) {
    const std::size_t width = config_.width;
    for (const QueryToken& token : tokens) {
      if (token.out == token.row) continue;  // else out < row: nothing that is still needed
      std::copy_n(f_.x_.data() + token.row * width, width, f_.x_.data() + token.out * width);
    }
  }

  /// Query heads of one KV head, for a tile's tokens: all scores, their softmax, then the weighted
  /// values, block after block. llama.cpp rounds queries and weights to fp16.
  void attend_tile(const LayerWeights& layer, std::span<const QueryToken> tokens, QueryTile tile,
                   std::size_t kv_head, Range heads) {
    constexpr std::size_t kBlock = kKvBlockTokens;
    const std::size_t hd = config_.head_width;
    const std::size_t each = heads.end - heads.begin;
    const std::size_t rows = (tile.end - tile.begin) * each;
    const std::size_t q_width = config_.heads * hd;
    const std::size_t window = at_->window;
    std::size_t first = tokens[tile.begin].position;
    std::size_t seen = 0;
    for (std::size_t i = tile.begin; i < tile.end; ++i) {
      first = std::min(first, first_seen(tokens[i].position, window));
      seen = std::max(seen, tokens[i].position + 1);
    }
    const std::size_t first_block = first / kBlock;
    const std::size_t last_block = (seen + kBlock - 1) / kBlock;
    // Columns of scores: blocks of sinks that a window hides from some, then those of the window.
    const std::size_t front = sinks_before(tokens, tile, window);
    const std::size_t stride = front + (last_block - first_block) * kBlock;
    const auto column = [&](std::size_t position) {
      return front + position - first_block * kBlock;
    };
    Scratch& s = scratch_;
    if (s.scores.size() < rows * stride) s.scores.resize(rows * stride);
    s.out.assign(rows * hd, 0.0F);
    const auto gather = [&](std::vector<float>& queries, const RopeRotations& rotations) {
      if (queries.size() < rows * hd) queries.resize(rows * hd);
      for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t row = tokens[tile.begin + r / each].row;
        const std::size_t head = heads.begin + r % each;
        float* q = queries.data() + r * hd;
        std::copy_n(f_.q_.data() + row * q_width + head * hd, hd, q);
        place(q, row, rotations, layer.q_norm);
        kernels_.round_to_half(q, hd);
      }
    };
    // body(run, its first row, its first score) of the blocks [begin, end), whose columns start at
    // `at`.
    const auto for_runs = [&](std::size_t begin, std::size_t end, std::size_t at,
                              const auto& body) {
      for_block_runs(tokens, tile, begin, end, [&](const BlockRun& run) {
        const std::size_t r = (run.tokens.begin - tile.begin) * each;
        body(run, r, s.scores.data() + r * stride + at + (run.block - begin) * kBlock);
      });
    };
    const auto score = [&](const std::vector<float>& queries) {
      return [&](const BlockRun& run, std::size_t r, float* scores) {
        f_.kv_->attention_scores(tokens[run.tokens.begin].cache->block(run.block), at_->slot,
                                 kv_head, kernels_, queries.data() + r * hd,
                                 (run.tokens.end - run.tokens.begin) * each, run.positions, scores,
                                 stride);
      };
    };
    const auto add_values = [&](const BlockRun& run, std::size_t r, const float* weights) {
      f_.kv_->attention_values(
          tokens[run.tokens.begin].cache->block(run.block), at_->slot, kv_head, kernels_, weights,
          stride, (run.tokens.end - run.tokens.begin) * each, run.positions, s.out.data() + r * hd);
    };
    gather(s.queries, f_.rotations_);
    for_runs(first_block, last_block, front, score(s.queries));
    if (front != 0) {
      gather(s.sink_queries, f_.sink_rotations_);
      for_runs(0, front / kBlock, 0, score(s.sink_queries));
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t position = tokens[tile.begin + r / each].position;
      float* scores = s.scores.data() + r * stride;
      const std::size_t first_here = first_seen(position, window);
      const std::size_t sinks = std::min(at_->sinks, first_here);
      std::size_t begin = column(first_here);
      if (sinks != 0) {
        std::fill(scores + sinks, scores + begin, -std::numeric_limits<float>::infinity());
        begin = 0;
      }
      kernels_.attention_weights(scores, begin, column(position) + 1, stride,
                                 config_.attention_scale);
    }
    for_runs(0, front / kBlock, 0, add_values);
    for_runs(first_block, last_block, front, add_values);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t out = tokens[tile.begin + r / each].out;
      const std::size_t head = heads.begin + r % each;
      std::copy_n(s.out.data() + r * hd, hd, f_.attended_.data() + out * q_width + head * hd);
    }
  }

  /// Columns, whole blocks, of the sinks that the window hides from some of the tile's tokens.
  std::size_t sinks_before(std::span<const QueryToken> tokens, QueryTile tile,
                           std::size_t window) const noexcept {
    if (at_->sinks == 0) return 0;
    std::size_t most = 0;
    for (std::size_t i = tile.begin; i < tile.end; ++i) {
      most = std::max(most, std::min(at_->sinks, first_seen(tokens[i].position, window)));
    }
    return (most + kKvBlockTokens - 1) / kKvBlockTokens * kKvBlockTokens;
  }

  void feed_forward(const LayerWeights& layer, std::size_t index, std::size_t rows) {
    const std::size_t ffn = config_.ffn_width;
    const QuantisedInput& input = branch_input(index, TapPoint::kFfnNormOut, layer.ffn_norm, rows);
    reduce(AdapterSite::kFfn, input, rows);
    const RowRange mine =
        multiply(*layer.gate, Linear::kGate, AdapterSite::kFfn, input, rows, f_.gate_.data());
    multiply(*layer.up, Linear::kUp, AdapterSite::kFfn, input, rows, f_.up_.data());
    const auto activate = config_.activation == Activation::kSilu ? kernels_.silu_multiply
                                                                  : kernels_.gelu_tanh_multiply;
    for (std::size_t i = 0; i < rows && mine.begin < mine.end; ++i) {
      activate(f_.gate_.data() + i * ffn + mine.begin, f_.up_.data() + i * ffn + mine.begin,
               mine.end - mine.begin);
    }
    team_.barrier();
    tap(index, TapPoint::kFfnActivation, f_.gate_);
    const QuantisedInput& hidden =
        quantised(scratch_.hidden, f_.hidden_input_, f_.hidden_kinds_, rows, ffn,
                  [&](std::size_t i) { return f_.gate_.data() + i * ffn; });
    add_branch(*layer.down, Linear::kDown, AdapterSite::kHidden, hidden, rows, layer.ffn_post_norm,
               index, TapPoint::kFfnOut);
    team_.barrier();
  }

  Forward& f_;
  const ModelConfig& config_;
  const VectorKernels& kernels_;
  bool is_last() const noexcept { return at_ == &f_.pass_->layers.back(); }

  std::size_t thread_;
  Team& team_;
  Scratch& scratch_;
  const Pass::Layer* at_ = nullptr;  // the layer that is being run
  StepTaps::Rows rows_ = StepTaps::Rows::kStep;
  const AdapterRows* adapted_ = &f_.unadapted_;  // of the rows that are being run
};

Forward::Forward(const ModelWeights& model, ThreadPool& pool, KvType kv)
    : model_(model),
      kernels_(vector_kernels(model.level)),
      pool_(pool),
      kv_(std::make_shared<KvBlocks>(
          KvShape{model.config.layers, model.config.kv_heads, model.config.head_width}, kv)),
      memory_(kv_),
      plain_(make_pass(model, nullptr)),
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

Result<void> Forward::embed(std::span<const Slice> slices) {
  const std::size_t width = model_.config.width;
  std::span<float> to(x_);
  for (const Slice& slice : slices) {
    for (std::size_t i = 0; i < slice.ids.size(); ++i) {
      if (slice.rows.empty()) {
        WEFT_TRY_VOID(model_.file->read_rows(
            *model_.embedding, static_cast<std::uint64_t>(slice.ids[i]), 1, to.first(width)));
      } else {
        std::ranges::copy(slice.rows.subspan(i * width, width), to.begin());
      }
      if (model_.config.embedding_scale != 1) {
        for (float& value : to.first(width)) value *= model_.config.embedding_scale;
      }
      to = to.subspan(width);
    }
  }
  return {};
}

/// Lists the step's tokens; the caches have not grown yet.
void Forward::plan(std::span<const Slice> slices) {
  for (Queries* queries : {&queries_, &kept_}) {
    queries->tokens.clear();
    queries->adapted.clear();
  }
  wanted_.clear();
  taps_.plan(slices, pass_->layers.back().index);
  for (const Slice& slice : slices) {
    const auto* adapter = static_cast<const PackedAdapter*>(slice.adapter);
    const std::size_t kept = first_kept(slice, pass_->layers.back().index);
    for (std::size_t i = 0; i < slice.ids.size(); ++i) {
      const std::size_t row = queries_.tokens.size();
      const QueryToken token{row, row, slice.cache->length() + i, slice.cache};
      queries_.tokens.push_back(token);
      queries_.adapted.push_back(adapter);
      if (i < kept) continue;
      if (i >= slice.first_wanted) wanted_.push_back(kept_.tokens.size());
      kept_.tokens.push_back(token);
      kept_.adapted.push_back(adapter);
      kept_.tokens.back().out = kept_.tokens.size() - 1;
    }
  }
  for (const Slice& slice : slices) slice.cache->extend(slice.cache->length() + slice.ids.size());
  const std::size_t rows_each = model_.config.heads / model_.config.kv_heads;
  for (Queries* queries : {&queries_, &kept_}) {
    queries->tiles.clear();
    for (const std::size_t window : pass_->windows) {
      queries->tiles.push_back(tile_queries(queries->tokens, rows_each, window));
    }
    const auto groups = queries->adapted.groups();
    if (reduced_.size() < groups.size()) reduced_.resize(groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const std::size_t values = groups[i].rows.size() * groups[i].adapter->site_rank_max;
      if (reduced_[i].size() < values) reduced_[i].resize(values);
    }
  }
}

/// Of the step's tokens, as if none stood beyond `position_max`.
Forward::RopeRotations Forward::rotations(std::size_t position_max) const {
  const std::size_t count = queries_.tokens.size();
  RopeRotations made(pass_->frequencies.size());
  for (std::size_t r = 0; r < made.size(); ++r) {
    const std::vector<double>& frequencies = pass_->frequencies[r];
    const std::size_t pairs = frequencies.size();
    made[r].cosines.resize(count * pairs);
    made[r].sines.resize(count * pairs);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t position = std::min(queries_.tokens[i].position, position_max);
      for (std::size_t j = 0; j < pairs; ++j) {
        // In double: far positions turn many times, and a float's angle would be off.
        const double angle = static_cast<double>(position) * frequencies[j];
        made[r].cosines[i * pairs + j] = static_cast<float>(std::cos(angle));
        made[r].sines[i * pairs + j] = static_cast<float>(std::sin(angle));
      }
    }
  }
  return made;
}

void Forward::grow(std::size_t rows) {
  const ModelConfig& config = model_.config;
  const auto to = [&](std::vector<float>& values, std::size_t columns) {
    if (values.size() < rows * columns) values.resize(rows * columns);
  };
  for (auto* values : {&x_, &y_}) to(*values, config.width);
  for (auto* values : {&q_, &attended_}) to(*values, config.heads * config.head_width);
  for (auto* values : {&k_, &v_}) to(*values, config.kv_heads * config.head_width);
  for (auto* values : {&gate_, &up_}) to(*values, config.ffn_width);
}

Result<void> Forward::run(std::span<const Slice> slices, const Pass& pass) {
  pass_ = &pass;
  std::size_t rows = 0;
  for (const Slice& slice : slices) {
    assert(!slice.ids.empty() && slice.first_wanted <= slice.ids.size());
    rows += slice.ids.size();
  }
  assert(rows >= 1 && rows <= kStepTokensMax);
  grow(rows);
  WEFT_TRY_VOID(embed(slices));
  plan(slices);
  rotations_ = rotations(SIZE_MAX);
  if (pass.has_sinks()) sink_rotations_ = rotations(pass.sink_distance_max);
  pool_.run([&](std::size_t thread, Team& team) { Worker(*this, thread, team).run(); });
  return {};
}

/// Slices that go different ways: those of one way at a time. What they leave of the wanted tokens
/// is put together in the order of the slices.
Result<void> Forward::run_apart(std::span<const Slice> slices) {
  const std::size_t width = model_.config.width;
  std::vector<std::size_t> first_row;  // of each slice, among the wanted
  std::size_t wanted = 0;
  for (const Slice& slice : slices) {
    first_row.push_back(wanted);
    wanted += slice.ids.size() - slice.first_wanted;
  }
  std::vector<float> left(wanted * width);
  std::vector<bool> is_read(slices.size());
  for (std::size_t s = 0; s < slices.size(); ++s) {
    if (is_read[s]) continue;
    std::vector<Slice> together;
    std::vector<std::size_t> to;
    for (std::size_t i = s; i < slices.size(); ++i) {
      if (is_read[i] || !same_pass(slices[s].hooks, slices[i].hooks)) continue;
      is_read[i] = true;
      together.push_back(slices[i]);
      for (std::size_t j = slices[i].first_wanted; j < slices[i].ids.size(); ++j) {
        to.push_back(first_row[i] + j - slices[i].first_wanted);
      }
    }
    const HookRun* hooks = slices[s].hooks;
    WEFT_TRY_VOID(run(together, make_pass(model_, hooks != nullptr ? &hooks->hooks() : nullptr)));
    for (std::size_t i = 0; i < to.size(); ++i) {
      std::copy_n(x_.data() + wanted_[i] * width, width, left.data() + to[i] * width);
    }
  }
  pass_ = &plain_;
  x_ = std::move(left);
  wanted_.resize(wanted);
  std::iota(wanted_.begin(), wanted_.end(), std::size_t{0});
  return {};
}

Result<void> Forward::read(std::span<const Slice> slices) {
  const bool is_plain = std::ranges::all_of(
      slices, [](const Slice& slice) { return same_pass(slice.hooks, nullptr); });
  return is_plain ? run(slices, plain_) : run_apart(slices);
}

Result<void> Forward::logits(std::size_t first, std::size_t count, std::span<float> out) {
  assert(count <= kLogitsRowsMax && first + count <= wanted_.size());
  assert(out.size() >= count * model_.config.vocabulary);
  pool_.run([&](std::size_t thread, Team& team) {
    Worker(*this, thread, team).logits(first, count, out.data());
  });
  return {};
}

Result<void> Forward::sparse_logits(std::size_t i, std::span<const std::uint64_t> needed,
                                    std::span<float> out) {
  assert(i < wanted_.size() && out.size() >= model_.config.vocabulary);
  const std::size_t each = model_.output->group_rows();
  std::vector<std::size_t> groups;
  for (std::size_t w = 0; w < needed.size(); ++w) {
    for (std::uint64_t bits = needed[w]; bits != 0; bits &= bits - 1) {
      const std::size_t id = w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      if (id >= model_.config.vocabulary) break;
      if (groups.empty() || groups.back() != id / each) groups.push_back(id / each);
    }
  }
  std::ranges::fill(out, -std::numeric_limits<float>::infinity());
  pool_.run([&](std::size_t thread, Team& team) {
    Worker(*this, thread, team).sparse_logits(i, groups, out.data());
  });
  return {};
}

Result<void> Forward::hidden(std::size_t i, std::span<float> out) {
  assert(i < wanted_.size() && out.size() == model_.config.width);
  kernels_.rms_norm(x_.data() + wanted_[i] * out.size(), model_.output_norm.data(),
                    model_.config.norm_epsilon, out.size(), out.data());
  return {};
}

}  // namespace weft::inference::cpu
