#include "inference/cpu/forward.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "inference/cpu/forward_worker.h"

namespace weft::inference::cpu {

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
      const auto id = static_cast<std::size_t>(slice.ids[i]);
      if (!slice.rows.empty()) {
        std::ranges::copy(slice.rows.subspan(i * width, width), to.begin());
      } else if (id >= model_.config.vocabulary) {
        const std::span<const float> inputs(slice.hooks->hooks().head.inputs);
        std::ranges::copy(inputs.subspan((id - model_.config.vocabulary) * width, width),
                          to.begin());
      } else {
        WEFT_TRY_VOID(model_.file->read_rows(*model_.embedding, id, 1, to.first(width)));
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
  taps_.plan(slices, pass_->layers.back().index, model_.config.width);
  std::vector<std::size_t> ends;  // what each slice's cache will hold
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const Slice& slice = slices[s];
    const std::size_t position = first_position(slices, s);
    ends.push_back(position + slice.ids.size());
    const auto* adapter = static_cast<const PackedAdapter*>(slice.adapter);
    const std::size_t kept = first_kept(slice, pass_->layers.back().index);
    for (std::size_t i = 0; i < slice.ids.size(); ++i) {
      const std::size_t row = queries_.tokens.size();
      const QueryToken token{row, row, position + i, slice.cache};
      queries_.tokens.push_back(token);
      queries_.adapted.push_back(adapter);
      if (i < kept) continue;
      if (i >= slice.first_wanted) wanted_.push_back(kept_.tokens.size());
      kept_.tokens.push_back(token);
      kept_.adapted.push_back(adapter);
      kept_.tokens.back().out = kept_.tokens.size() - 1;
    }
  }
  for (std::size_t s = 0; s < slices.size(); ++s) {
    assert(slices[s].cache->memory().block_bytes() >=
           kv_->for_steps(pass_->layers.size())->block_bytes());
    slices[s].cache->extend(ends[s]);
  }
  plan_forks(slices);
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

/// Lists what forks have read of other slices.
void Forward::plan_forks(std::span<const Slice> slices) {
  shared_.clear();
  std::vector<std::size_t> first_rows;
  std::size_t row = 0;
  for (const Slice& slice : slices) {
    first_rows.push_back(row);
    row += slice.ids.size();
    for (const Slice* at = &slice; at->fork; at = &slices[at->fork->slice]) {
      for (std::size_t i = 0; i < at->fork->tokens; ++i) {
        shared_.push_back({first_rows[at->fork->slice] + i, slice.cache});
      }
    }
  }
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
  rotations_ = make_rotations(pass.frequencies, queries_.tokens, SIZE_MAX);
  sink_rotations_.clear();
  if (pass.has_sinks()) {
    sink_rotations_ = make_rotations(pass.frequencies, queries_.tokens, pass.sink_distance_max);
  }
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
  std::vector<std::size_t> places(slices.size());  // of each slice, among those of its way
  for (std::size_t s = 0; s < slices.size(); ++s) {
    if (is_read[s]) continue;
    std::vector<Slice> together;
    std::vector<std::size_t> to;
    for (std::size_t i = s; i < slices.size(); ++i) {
      if (is_read[i] || !same_pass(slices[s].hooks, slices[i].hooks)) continue;
      is_read[i] = true;
      places[i] = together.size();
      together.push_back(slices[i]);
      if (auto& fork = together.back().fork) fork->slice = places[fork->slice];
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
