#include "inference/cpu/attention_tile.h"

#include <algorithm>
#include <limits>

namespace weft::inference::cpu {

/// Calls body(run, its first row, its first score) of the blocks [begin, end), whose columns start
/// at `at`.
template <typename Body>
void AttentionTile::for_runs(std::size_t begin, std::size_t end, std::size_t at, const Body& body) {
  for_block_runs(tokens_, tile_, begin, end, [&](const BlockRun& run) {
    const std::size_t r = (run.tokens.begin - tile_.begin) * heads_each();
    body(run, r, scores_.data() + r * stride_ + at + (run.block - begin) * kKvBlockTokens);
  });
}

/// The rows' queries, placed.
void AttentionTile::gather(std::vector<float>& queries, const Rotations& rotations) const {
  const AttentionInputs& l = *layer_;
  const std::size_t hd = l.config.head_width;
  if (queries.size() < rows() * hd) queries.resize(rows() * hd);
  for (std::size_t r = 0; r < rows(); ++r) {
    const std::size_t row = token_of(r).row;
    const std::size_t head = heads_.begin + r % heads_each();
    float* q = queries.data() + r * hd;
    std::copy_n(l.queries + (row * l.config.heads + head) * hd, hd, q);
    place_head(q, row, rotations, l.q_norm, l.config, l.kernels);
    l.kernels.round_to_half(q, hd);
  }
}

/// Columns, whole blocks, of the sinks that the window hides from some of the tokens.
std::size_t AttentionTile::sink_columns() const noexcept {
  const Pass::Layer& at = layer_->at;
  if (at.sinks == 0) return 0;
  std::size_t most = 0;
  for (std::size_t i = tile_.begin; i < tile_.end; ++i) {
    most = std::max(most, std::min(at.sinks, first_seen(tokens_[i].position, at.window)));
  }
  return (most + kKvBlockTokens - 1) / kKvBlockTokens * kKvBlockTokens;
}

void AttentionTile::score(const AttentionInputs& layer, std::span<const QueryToken> tokens,
                          QueryTile tile, std::size_t kv_head, HeadRange heads) {
  layer_ = &layer;
  tokens_ = tokens;
  tile_ = tile;
  kv_head_ = kv_head;
  heads_ = heads;
  std::size_t first = tokens[tile.begin].position;
  std::size_t seen = 0;
  for (std::size_t i = tile.begin; i < tile.end; ++i) {
    first = std::min(first, first_seen(tokens[i].position, layer.at.window));
    seen = std::max(seen, tokens[i].position + 1);
  }
  first_block_ = first / kKvBlockTokens;
  last_block_ = (seen + kKvBlockTokens - 1) / kKvBlockTokens;
  front_ = sink_columns();
  stride_ = front_ + (last_block_ - first_block_) * kKvBlockTokens;
  if (scores_.size() < rows() * stride_) scores_.resize(rows() * stride_);

  const std::size_t hd = layer.config.head_width;
  const auto score_with = [&](const std::vector<float>& queries) {
    return [&](const BlockRun& run, std::size_t r, float* scores) {
      layer.kv.attention_scores(tokens_[run.tokens.begin].cache->block(run.block), layer.at.slot,
                                kv_head_, layer.kernels, queries.data() + r * hd,
                                (run.tokens.end - run.tokens.begin) * heads_each(), run.positions,
                                scores, stride_);
    };
  };
  gather(queries_, layer.rotations);
  for_runs(first_block_, last_block_, front_, score_with(queries_));
  if (front_ != 0) {
    gather(sink_queries_, *layer.sink_rotations);
    for_runs(0, front_ / kKvBlockTokens, 0, score_with(sink_queries_));
  }
}

void AttentionTile::weigh() noexcept {
  for (std::size_t r = 0; r < rows(); ++r) {
    const std::size_t position = token_of(r).position;
    float* scores = scores_.data() + r * stride_;
    const std::size_t first = first_seen(position, layer_->at.window);
    const std::size_t sinks = std::min(layer_->at.sinks, first);
    std::size_t begin = column(first);
    if (sinks != 0) {
      std::fill(scores + sinks, scores + begin, -std::numeric_limits<float>::infinity());
      begin = 0;
    }
    layer_->kernels.attention_weights(scores, begin, column(position) + 1, stride_,
                                      layer_->config.attention_scale);
  }
}

void AttentionTile::mix(float* attended) {
  const AttentionInputs& l = *layer_;
  const std::size_t hd = l.config.head_width;
  out_.assign(rows() * hd, 0.0F);
  const auto add_values = [&](const BlockRun& run, std::size_t r, const float* weights) {
    l.kv.attention_values(tokens_[run.tokens.begin].cache->block(run.block), l.at.slot, kv_head_,
                          l.kernels, weights, stride_,
                          (run.tokens.end - run.tokens.begin) * heads_each(), run.positions,
                          out_.data() + r * hd);
  };
  for_runs(0, front_ / kKvBlockTokens, 0, add_values);
  for_runs(first_block_, last_block_, front_, add_values);
  for (std::size_t r = 0; r < rows(); ++r) {
    const std::size_t head = heads_.begin + r % heads_each();
    std::copy_n(out_.data() + r * hd, hd,
                attended + (token_of(r).out * l.config.heads + head) * hd);
  }
}

void AttentionTile::copy_row(std::size_t row, float hidden, float* out) const noexcept {
  const float* scores = scores_.data() + row * stride_;
  const std::size_t position = token_of(row).position;
  const std::size_t first = first_seen(position, layer_->at.window);
  for (std::size_t p = 0; p < first; ++p) out[p] = p < layer_->at.sinks ? scores[p] : hidden;
  for (std::size_t p = first; p <= position; ++p) out[p] = scores[column(p)];
}

}  // namespace weft::inference::cpu
