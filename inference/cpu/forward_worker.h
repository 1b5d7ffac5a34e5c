#pragma once
// One thread's part of a step: the layers, and the output head. A single token's norm and
// quantisation are computed by every thread for itself, which is cheaper than a barrier; those of
// more tokens are split. Private to inference/cpu.

#include <cstddef>
#include <span>
#include <vector>

#include "inference/cpu/attention_tile.h"
#include "inference/cpu/forward.h"
#include "inference/cpu/quantised_input.h"

namespace weft::inference::cpu {

/// What one thread needs for itself.
struct Forward::Scratch {
  std::vector<float> row;                   // a normed row
  QuantisedInput normed, attended, hidden;  // of a single token
  AttentionTile tile;
  std::vector<float> reduced, change;  // of an adapter
  Activations expanded;                // likewise
};

class Forward::Worker {
 public:
  Worker(Forward& forward, std::size_t thread, Team& team)
      : f_(forward),
        config_(forward.model_.config),
        kernels_(forward.kernels_),
        thread_(thread),
        team_(team),
        scratch_(forward.scratch_[thread]) {}

  void run();
  void logits(std::size_t first, std::size_t count, float* out);
  /// Of the groups of rows alone, by their index, in order.
  void sparse_logits(std::size_t row, std::span<const std::size_t> groups, float* out);

 private:
  const QuantisedInput& head_input(std::size_t first, std::size_t count);
  /// `count` rows of `columns` values, quantised for `kinds`: fill(row) returns the row.
  template <typename Fill>
  const QuantisedInput& quantised(QuantisedInput& own, QuantisedInput& shared, unsigned kinds,
                                  std::size_t count, std::size_t columns, const Fill& fill);
  /// The norms of row(0), row(1), ...
  template <typename Row>
  const QuantisedInput& normed(const Row& row, const std::vector<float>& weight, unsigned kinds,
                               std::size_t count);
  /// The norm of the residual stream that a branch of the layer reads.
  const QuantisedInput& branch_input(std::size_t layer, TapPoint point,
                                     const std::vector<float>& weight, std::size_t count);
  /// Hands `rows` to the taps there, once all threads have written them; they go on when it is
  /// done.
  void tap(std::size_t layer, TapPoint point, std::vector<float>& rows);

  /// Calls body(rows) for the parts of the matrix's rows that are this thread's: one of a single
  /// token's product, which is read in one stream, else those that it comes for first.
  template <typename Body>
  void for_my_rows(const Matrix& matrix, std::size_t count, const Body& body);
  /// A x of the adapters that the step's rows have, for all linear layers at `site`: a single
  /// row's by every thread for itself, else split.
  void reduce(AdapterSite site, const QuantisedInput& input, std::size_t count);
  /// y = matrix . input, of some rows, and what adapters change: y += B (A x), after reduce() of
  /// the layer's site.
  void multiply(const Matrix& matrix, RowRange rows, Linear linear, AdapterSite site,
                const QuantisedInput& input, std::size_t count, float* y);
  /// y += B t for the given rows of y, whose t follow each other in steps of `stride`.
  void expand(const Matrix& b, const float* t, std::size_t stride, std::span<const std::size_t> to,
              RowRange rows, float* y);
  /// multiply() and, where there is one, the bias.
  void project(const Matrix& matrix, Linear linear, const std::vector<float>& bias,
               const QuantisedInput& input, float* y);

  /// multiply() and add to the first `count` rows of the residual stream; normed before, if `norm`
  /// isn't empty. `point` is where it can be tapped.
  void add_branch(const Matrix& matrix, Linear linear, AdapterSite site,
                  const QuantisedInput& input, std::size_t count, const std::vector<float>& norm,
                  std::size_t layer, TapPoint point);
  /// Adds the norms of the whole rows of y, which all threads have to write first.
  void add_normed(std::size_t count, const std::vector<float>& norm);
  /// add_normed() with all of y's rows as they are added handed to taps in between.
  void add_tapped(std::size_t count, const std::vector<float>& norm, std::size_t layer,
                  TapPoint point);

  void project(const LayerWeights& layer, std::size_t index);
  /// Places the keys and writes keys and values into the caches, split by (token, head).
  void store_keys(const LayerWeights& weights);
  /// Of one KV head of a token, `key` placed.
  void store(const KvCache& cache, std::size_t position, std::size_t head, const float* key,
             const float* value);
  /// Those of shared tokens, once all are placed.
  void store_shared();
  /// Hands the scores of the wanted rows to the taps of them.
  void tap_scores(const LayerWeights& layer, std::size_t index);
  /// Calls body(KV head, those of its query heads) for this thread's share of them.
  template <typename Body>
  void for_my_heads(const Body& body);
  AttentionInputs attention_inputs(const LayerWeights& layer) const;
  /// What the tokens of `queries` attend to.
  void attend_tiles(const LayerWeights& layer, const Queries& queries);
  /// Attention of `queries` and its output projection.
  void attend(const LayerWeights& layer, std::size_t index, const Queries& queries);
  /// Moves the residual stream of `tokens` to the rows that their attention went to.
  void keep_rows(const std::vector<QueryToken>& tokens);
  void feed_forward(const LayerWeights& layer, std::size_t index, std::size_t rows);
  bool is_last() const noexcept { return at_ == &f_.pass_->layers.back(); }

  Forward& f_;
  const ModelConfig& config_;
  const VectorKernels& kernels_;
  std::size_t thread_;
  Team& team_;
  Scratch& scratch_;
  const Pass::Layer* at_ = nullptr;  // the layer that is being run
  StepTaps::Rows rows_ = StepTaps::Rows::kStep;
  const AdapterRows* adapted_ = &f_.unadapted_;  // of the rows that are being run
};

}  // namespace weft::inference::cpu
