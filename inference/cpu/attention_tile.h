#pragma once
// Attention of a tile's tokens with the query heads of one KV head: all scores, their softmax, then
// the weighted values, block after block. Queries and weights are rounded to fp16, as llama.cpp
// does. What a token gets doesn't depend on the tile that it is in. Private to inference/cpu.

#include <cstddef>
#include <span>
#include <vector>

#include "inference/cpu/attention.h"
#include "inference/cpu/kv_blocks.h"
#include "inference/cpu/pass.h"
#include "inference/cpu/rotations.h"
#include "inference/cpu/vector_kernels.h"
#include "inference/model_config.h"

namespace weft::inference::cpu {

/// What the tiles of a layer have in common.
struct AttentionInputs {
  const ModelConfig& config;
  const VectorKernels& kernels;
  const KvBlocks& kv;
  const Pass::Layer& at;
  const std::vector<float>& q_norm;
  const float* queries;             // (tokens of the step, heads * head width), not yet placed
  const Rotations& rotations;       // of the layer's rope
  const Rotations* sink_rotations;  // of queries that meet sinks; null where no layer has sinks
};

/// Query heads of one KV head.
struct HeadRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Working memory of one thread, and the tile that is in it. A row is a token and head: those of
/// the first token, then those of the next.
class AttentionTile {
 public:
  /// q . k of all that its tokens may see. What it is given is borrowed until the next call.
  void score(const AttentionInputs& layer, std::span<const QueryToken> tokens, QueryTile tile,
             std::size_t kv_head, HeadRange heads);
  /// Scores to weights: softmax over what each token sees.
  void weigh() noexcept;
  /// The weighted values, to rows QueryToken::out of `attended`, (.., heads * head width).
  void mix(float* attended);

  /// The scores or weights of `row` by position, up to its token's own; `hidden` where that doesn't
  /// see.
  void copy_row(std::size_t row, float hidden, float* out) const noexcept;

 private:
  void gather(std::vector<float>& queries, const Rotations& rotations) const;
  std::size_t sink_columns() const noexcept;
  const QueryToken& token_of(std::size_t row) const noexcept {
    return tokens_[tile_.begin + row / heads_each()];
  }
  std::size_t heads_each() const noexcept { return heads_.end - heads_.begin; }
  std::size_t rows() const noexcept { return (tile_.end - tile_.begin) * heads_each(); }
  std::size_t column(std::size_t position) const noexcept {
    return front_ + position - first_block_ * kKvBlockTokens;
  }
  template <typename Body>
  void for_runs(std::size_t begin, std::size_t end, std::size_t at, const Body& body);

  const AttentionInputs* layer_ = nullptr;
  std::span<const QueryToken> tokens_;
  QueryTile tile_;
  std::size_t kv_head_ = 0;
  HeadRange heads_;

  // Columns of scores: `front_` of the blocks with sinks that a window hides from some of the
  // tokens, then those of the blocks [first_block_, last_block_).
  std::size_t front_ = 0;
  std::size_t first_block_ = 0;
  std::size_t last_block_ = 0;
  std::size_t stride_ = 0;
  std::vector<float> queries_, sink_queries_;  // (rows, head width)
  std::vector<float> scores_;                  // (rows, stride)
  std::vector<float> out_;                     // (rows, head width)
};

}  // namespace weft::inference::cpu
