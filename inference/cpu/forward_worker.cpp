#include "inference/cpu/forward_worker.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace weft::inference::cpu {
namespace {

struct Range {
  std::size_t begin;
  std::size_t end;
};

Range share(std::size_t count, std::size_t thread, std::size_t threads) noexcept {
  return {count * thread / threads, count * (thread + 1) / threads};
}

}  // namespace

void Forward::Worker::run() {
  for (const Pass::Layer& each : f_.pass_->layers) {
    at_ = &each;
    const std::size_t i = each.index;
    const LayerWeights& layer = f_.model_.layers[i];
    adapted_ = &f_.queries_.adapted;
    tap(i, TapPoint::kLayerIn, f_.x_);
    project(layer, i);
    store_keys(layer);
    if (f_.taps_.has_scores()) tap_scores(layer, i);
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

void Forward::Worker::logits(std::size_t first, std::size_t count, float* out) {
  const Matrix& output = *f_.model_.output;
  const Activations& input = head_input(first, count).of(activation_kind(output.type()));
  for_my_rows(output, count,
              [&](RowRange rows) { output.multiply(input, rows, out, config_.vocabulary); });
}

void Forward::Worker::sparse_logits(std::size_t row, std::span<const std::size_t> groups,
                                    float* out) {
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

const QuantisedInput& Forward::Worker::head_input(std::size_t first, std::size_t count) {
  const auto row = [&](std::size_t i) {
    return f_.x_.data() + f_.wanted_[first + i] * config_.width;
  };
  return normed(row, f_.model_.output_norm, kind_bit(*f_.model_.output), count);
}

template <typename Fill>
const QuantisedInput& Forward::Worker::quantised(QuantisedInput& own, QuantisedInput& shared,
                                                 unsigned kinds, std::size_t count,
                                                 std::size_t columns, const Fill& fill) {
  if (count == 1) {
    own.prepare(f_.model_.level, kinds, 1, columns, *adapted_);
    own.set_row(0, fill(0));
    return own;
  }
  if (thread_ == 0) shared.prepare(f_.model_.level, kinds, count, columns, *adapted_);
  team_.barrier();
  const Range mine = share(count, thread_, team_.size());
  for (std::size_t i = mine.begin; i < mine.end; ++i) {
    shared.set_row(i, fill(i));
  }
  team_.barrier();
  return shared;
}

template <typename Row>
const QuantisedInput& Forward::Worker::normed(const Row& row, const std::vector<float>& weight,
                                              unsigned kinds, std::size_t count) {
  return quantised(scratch_.normed, f_.normed_input_, kinds, count, config_.width,
                   [&](std::size_t i) {
                     kernels_.rms_norm(row(i), weight.data(), config_.norm_epsilon, config_.width,
                                       scratch_.row.data());
                     return scratch_.row.data();
                   });
}

const QuantisedInput& Forward::Worker::branch_input(std::size_t layer, TapPoint point,
                                                    const std::vector<float>& weight,
                                                    std::size_t count) {
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

void Forward::Worker::tap(std::size_t layer, TapPoint point, std::vector<float>& rows) {
  if (!f_.taps_.at(layer, point)) return;
  team_.barrier();
  if (thread_ == 0) {
    f_.taps_.call(layer, point, rows.data(), tap_width(point, config_), rows_);
  }
  team_.barrier();
}

template <typename Body>
void Forward::Worker::for_my_rows(const Matrix& matrix, std::size_t count, const Body& body) {
  const auto call = [&](RowRange rows) {
    if (rows.begin < rows.end) body(rows);
  };
  if (count == 1) return call(matrix.partition(thread_, team_.size()));
  const std::size_t threads = team_.size();
  team_.share_out(matrix.part_count(threads),
                  [&](std::size_t i) { call(matrix.part(i, threads)); });
}

void Forward::Worker::reduce(AdapterSite site, const QuantisedInput& input, std::size_t count) {
  if (adapted_->empty()) return;
  const auto groups = adapted_->groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::optional<Matrix>& a = groups[g].adapter->layers[at_->index].of(site);
    if (!a) continue;
    const std::size_t ranks = groups[g].adapter->site_rank_max;
    if (count == 1 && scratch_.reduced.size() < ranks) scratch_.reduced.resize(ranks);
    float* to = count == 1 ? scratch_.reduced.data() : f_.reduced_[g].data();
    const RowRange rows = count == 1 ? RowRange{0, a->rows()} : a->partition(thread_, team_.size());
    if (rows.begin < rows.end) a->multiply(input.of_group(g), rows, to, a->rows());
  }
  if (count != 1) team_.barrier();
}

void Forward::Worker::multiply(const Matrix& matrix, RowRange rows, Linear linear, AdapterSite site,
                               const QuantisedInput& input, std::size_t count, float* y) {
  matrix.multiply(input.of(activation_kind(matrix.type())), rows, y, matrix.rows());
  if (adapted_->empty()) return;
  const auto groups = adapted_->groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const AdapterLayer& layer = groups[g].adapter->layers[at_->index];
    const AdapterLayer::Expansion& expansion = layer.of(linear);
    if (!expansion.b) continue;
    const float* reduced =
        (count == 1 ? scratch_.reduced.data() : f_.reduced_[g].data()) + expansion.first_row;
    expand(*expansion.b, reduced, layer.of(site)->rows(), groups[g].rows, rows, y);
  }
}

void Forward::Worker::expand(const Matrix& b, const float* t, std::size_t stride,
                             std::span<const std::size_t> to, RowRange rows, float* y) {
  constexpr std::size_t kAtOnce = 16;
  Activations& expanded = scratch_.expanded;
  const std::size_t values = std::min(kAtOnce, to.size()) * b.rows();
  if (scratch_.change.size() < values) scratch_.change.resize(values);  // else it would be zeroed
  for (std::size_t first = 0; first < to.size(); first += kAtOnce) {
    const std::size_t n = std::min(kAtOnce, to.size() - first);
    expanded.prepare(f_.model_.level, ActivationKind::kFloat, n, b.columns());
    for (std::size_t i = 0; i < n; ++i) {
      expanded.set_row(i, t + (first + i) * stride);
    }
    b.multiply(expanded, rows, scratch_.change.data(), b.rows());
    for (std::size_t i = 0; i < n; ++i) {
      kernels_.add(y + to[first + i] * b.rows() + rows.begin,
                   scratch_.change.data() + i * b.rows() + rows.begin, rows.end - rows.begin);
    }
  }
}

void Forward::Worker::project(const Matrix& matrix, Linear linear, const std::vector<float>& bias,
                              const QuantisedInput& input, float* y) {
  const std::size_t count = f_.queries_.tokens.size();
  for_my_rows(matrix, count, [&](RowRange rows) {
    multiply(matrix, rows, linear, AdapterSite::kAttention, input, count, y);
    for (std::size_t i = 0; i < count && !bias.empty(); ++i) {
      kernels_.add(y + i * matrix.rows() + rows.begin, bias.data() + rows.begin,
                   rows.end - rows.begin);
    }
  });
}

void Forward::Worker::add_branch(const Matrix& matrix, Linear linear, AdapterSite site,
                                 const QuantisedInput& input, std::size_t count,
                                 const std::vector<float>& norm, std::size_t layer,
                                 TapPoint point) {
  float* y = f_.y_.data();
  reduce(site, input, count);
  const bool is_tapped = f_.taps_.at(layer, point);
  for_my_rows(matrix, count, [&](RowRange rows) {
    multiply(matrix, rows, linear, site, input, count, y);
    for (std::size_t i = 0; i < count && !is_tapped && norm.empty(); ++i) {
      const std::size_t at = i * config_.width + rows.begin;
      kernels_.add(f_.x_.data() + at, y + at, rows.end - rows.begin);
    }
  });
  if (is_tapped) return add_tapped(count, norm, layer, point);
  if (!norm.empty()) return add_normed(count, norm);
}

void Forward::Worker::add_normed(std::size_t count, const std::vector<float>& norm) {
  team_.barrier();
  const std::size_t width = config_.width;
  const Range mine = share(count, thread_, team_.size());
  for (std::size_t i = mine.begin; i < mine.end; ++i) {
    kernels_.rms_norm(f_.y_.data() + i * width, norm.data(), config_.norm_epsilon, width,
                      scratch_.row.data());
    kernels_.add(f_.x_.data() + i * width, scratch_.row.data(), width);
  }
}

void Forward::Worker::add_tapped(std::size_t count, const std::vector<float>& norm,
                                 std::size_t layer, TapPoint point) {
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

void Forward::Worker::project(const LayerWeights& layer, std::size_t index) {
  const QuantisedInput& input = branch_input(index, TapPoint::kAttentionNormOut,
                                             layer.attention_norm, f_.queries_.tokens.size());
  reduce(AdapterSite::kAttention, input, f_.queries_.tokens.size());
  project(*layer.q, Linear::kQ, layer.q_bias, input, f_.q_.data());
  project(*layer.k, Linear::kK, layer.k_bias, input, f_.k_.data());
  project(*layer.v, Linear::kV, layer.v_bias, input, f_.v_.data());
  team_.barrier();
}

void Forward::Worker::store_keys(const LayerWeights& weights) {
  const std::size_t hd = config_.head_width;
  const std::vector<QueryToken>& tokens = f_.queries_.tokens;
  const Rotations& rotations = f_.rotations_[at_->rope];
  const Range mine = share(tokens.size() * config_.kv_heads, thread_, team_.size());
  for (std::size_t i = mine.begin; i < mine.end; ++i) {
    const std::size_t row = i / config_.kv_heads;
    float* k = f_.k_.data() + i * hd;
    place_head(k, row, rotations, weights.k_norm, config_, kernels_);
    store(*tokens[row].cache, tokens[row].position, i % config_.kv_heads, k, f_.v_.data() + i * hd);
  }
  if (!f_.shared_.empty()) store_shared();
  team_.barrier();
}

void Forward::Worker::store_shared() {
  team_.barrier();
  const Range mine = share(f_.shared_.size() * config_.kv_heads, thread_, team_.size());
  for (std::size_t i = mine.begin; i < mine.end; ++i) {
    const SharedToken& token = f_.shared_[i / config_.kv_heads];
    const std::size_t head = i % config_.kv_heads;
    const std::size_t at = (token.row * config_.kv_heads + head) * config_.head_width;
    store(*token.cache, f_.queries_.tokens[token.row].position, head, f_.k_.data() + at,
          f_.v_.data() + at);
  }
}

void Forward::Worker::store(const KvCache& cache, std::size_t position, std::size_t head,
                            const float* key, const float* value) {
  const KvBlock& block = cache.block(position / kKvBlockTokens);
  const std::size_t column = position % kKvBlockTokens;
  if (f_.kv_->type() == KvType::kQ8_0) {
    f_.kv_->store(block, column, at_->slot, head, key, value);
    return;
  }
  std::uint16_t key_halves[kHeadWidthMax];
  std::uint16_t value_halves[kHeadWidthMax];
  kernels_.to_half(key, config_.head_width, key_halves);
  kernels_.to_half(value, config_.head_width, value_halves);
  f_.kv_->store(block, column, at_->slot, head, key_halves, value_halves);
}

template <typename Body>
void Forward::Worker::for_my_heads(const Body& body) {
  const std::size_t group = config_.heads / config_.kv_heads;
  const Range heads = share(config_.heads, thread_, team_.size());
  for (std::size_t h = heads.begin; h < heads.end;) {
    const std::size_t kv_head = h / group;
    const std::size_t end = std::min(heads.end, (kv_head + 1) * group);
    body(kv_head, HeadRange{h, end});
    h = end;
  }
}

void Forward::Worker::tap_scores(const LayerWeights& layer, std::size_t index) {
  const AttentionInputs attention = attention_inputs(layer);
  for (const StepTaps::ScoreRow& each : f_.taps_.scores(index)) {
    const std::span<const QueryToken> token(&f_.queries_.tokens[each.row], 1);
    const std::size_t seen = token.front().position + 1;
    const bool is_weighed = each.kind == ScoreTap::Kind::kWeights;
    const float hidden = is_weighed ? 0 : -std::numeric_limits<float>::infinity();
    if (thread_ == 0) f_.scores_.resize(config_.heads * seen);
    team_.barrier();
    for_my_heads([&](std::size_t kv_head, HeadRange heads) {
      AttentionTile& tile = scratch_.tile;
      tile.score(attention, token, {0, 1}, kv_head, heads);
      if (is_weighed) tile.weigh();
      for (std::size_t h = heads.begin; h < heads.end; ++h) {
        tile.copy_row(h - heads.begin, hidden, f_.scores_.data() + h * seen);
      }
    });
    team_.barrier();
    if (thread_ == 0) {
      each.run->call({index, token.front().position, config_.heads, f_.scores_}, each.kind);
    }
    team_.barrier();
  }
}

AttentionInputs Forward::Worker::attention_inputs(const LayerWeights& layer) const {
  const bool has_sinks = !f_.sink_rotations_.empty();
  return {.config = config_,
          .kernels = kernels_,
          .kv = *f_.kv_,
          .at = *at_,
          .q_norm = layer.q_norm,
          .queries = f_.q_.data(),
          .rotations = f_.rotations_[at_->rope],
          .sink_rotations = has_sinks ? &f_.sink_rotations_[at_->rope] : nullptr};
}

void Forward::Worker::attend_tiles(const LayerWeights& layer, const Queries& queries) {
  const std::size_t group = config_.heads / config_.kv_heads;
  const std::size_t threads = team_.size();
  const std::vector<QueryTile>& tiles = queries.tiles[at_->tiles];
  const AttentionInputs attention = attention_inputs(layer);
  // A KV head of a tile is one item, the last tiles' first: they see more. What can't be shared out
  // evenly is split, by its tokens or, if they are few, by its query heads.
  const std::size_t items = tiles.size() * config_.kv_heads;
  const std::size_t whole = items - items % threads;
  const std::size_t splits = std::min(threads, std::max(group, queries.tokens.size()));
  team_.share_out(whole + (items - whole) * splits, [&](std::size_t part) {
    const std::size_t item = part < whole ? part : whole + (part - whole) / splits;
    const std::size_t kv_head = item % config_.kv_heads;
    QueryTile tile = tiles[tiles.size() - 1 - item / config_.kv_heads];
    HeadRange heads{kv_head * group, (kv_head + 1) * group};
    if (part >= whole) {
      const std::size_t tokens = tile.end - tile.begin;
      const bool by_tokens = tokens >= std::min(group, threads);
      const Range mine = share(by_tokens ? tokens : group, (part - whole) % splits, splits);
      if (mine.begin == mine.end) return;
      if (by_tokens) {
        tile = {tile.begin + mine.begin, tile.begin + mine.end};
      } else {
        heads = {heads.begin + mine.begin, heads.begin + mine.end};
      }
    }
    scratch_.tile.score(attention, queries.tokens, tile, kv_head, heads);
    scratch_.tile.weigh();
    scratch_.tile.mix(f_.attended_.data());
  });
}

void Forward::Worker::attend(const LayerWeights& layer, std::size_t index, const Queries& queries) {
  attend_tiles(layer, queries);
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

void Forward::Worker::keep_rows(const std::vector<QueryToken>& tokens) {
  const std::size_t width = config_.width;
  for (const QueryToken& token : tokens) {
    if (token.out == token.row) continue;  // else out < row: nothing that is still needed
    std::copy_n(f_.x_.data() + token.row * width, width, f_.x_.data() + token.out * width);
  }
}

void Forward::Worker::feed_forward(const LayerWeights& layer, std::size_t index, std::size_t rows) {
  const std::size_t ffn = config_.ffn_width;
  const QuantisedInput& input = branch_input(index, TapPoint::kFfnNormOut, layer.ffn_norm, rows);
  reduce(AdapterSite::kFfn, input, rows);
  const auto activate = config_.activation == Activation::kSilu ? kernels_.silu_multiply
                                                                : kernels_.gelu_tanh_multiply;
  for_my_rows(*layer.gate, rows, [&](RowRange part) {
    multiply(*layer.gate, part, Linear::kGate, AdapterSite::kFfn, input, rows, f_.gate_.data());
    multiply(*layer.up, part, Linear::kUp, AdapterSite::kFfn, input, rows, f_.up_.data());
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t at = i * ffn + part.begin;
      activate(f_.gate_.data() + at, f_.up_.data() + at, part.end - part.begin);
    }
  });
  team_.barrier();
  tap(index, TapPoint::kFfnActivation, f_.gate_);
  const QuantisedInput& hidden =
      quantised(scratch_.hidden, f_.hidden_input_, f_.hidden_kinds_, rows, ffn,
                [&](std::size_t i) { return f_.gate_.data() + i * ffn; });
  add_branch(*layer.down, Linear::kDown, AdapterSite::kHidden, hidden, rows, layer.ffn_post_norm,
             index, TapPoint::kFfnOut);
  team_.barrier();
}

}  // namespace weft::inference::cpu
