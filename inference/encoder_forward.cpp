#include "inference/encoder_forward.h"

#include <algorithm>
#include <cassert>

namespace weft::inference {
namespace {

// A thread's rows begin with a tile of activations, which has 3 or 4 rows by the level.
constexpr std::size_t kRowStep = 12;

class Alone final : public cpu::Team {
 public:
  std::size_t size() const noexcept override { return 1; }
  void barrier() noexcept override {}

 protected:
  std::size_t next(std::size_t parts) noexcept override {
    if (taken_ < parts) return taken_++;
    taken_ = 0;
    return parts;
  }

 private:
  std::size_t taken_ = 0;
};

}  // namespace

EncoderForward::EncoderForward(const EncoderWeights& weights, const EncoderTensors& tensors,
                               std::size_t sequence_tokens, std::size_t batch_tokens,
                               std::size_t threads)
    : weights_(weights),
      tensors_(tensors),
      kernels_(cpu::encoder_kernels(weights.level)),
      scratch_(threads),
      errors_(threads) {
  const std::size_t width = weights.config.width;
  ids_.reserve(batch_tokens);
  positions_.reserve(batch_tokens);
  for (auto* rows : {&x_, &query_, &key_, &value_}) rows->reserve(batch_tokens * width);
  ffn_.reserve(batch_tokens * weights.config.ffn_width);
  const std::size_t floats =
      cpu::encoder_scratch_floats(sequence_tokens, weights.config.head_width());
  for (auto& scratch : scratch_) scratch.resize(std::max(floats, width));
  sequences_.reserve(batch_tokens);
  narrow_.prepare(weights.level, weights.activations, batch_tokens, width);
  wide_.prepare(weights.level, weights.activations, batch_tokens, weights.config.ffn_width);
}

Result<void> EncoderForward::run(Sequences sequences, cpu::ThreadPool& pool) {
  prepare(sequences);
  pool.run([this](std::size_t thread, cpu::Team& team) { work(thread, team); });
  return result();
}

Result<void> EncoderForward::run_alone(Sequences sequences) {
  prepare(sequences);
  Alone team;
  work(0, team);
  return result();
}

void EncoderForward::prepare(Sequences sequences) {
  ids_.clear();
  positions_.clear();
  sequences_.clear();
  for (const auto& sequence : sequences) {
    sequences_.push_back({ids_.size(), sequence.size()});
    for (std::size_t i = 0; i < sequence.size(); ++i) {
      ids_.push_back(sequence[i]);
      positions_.push_back(i);
    }
  }
  // Long sequences first: the short ones then fill the threads' last gap.
  std::ranges::sort(sequences_, std::ranges::greater(), &Sequence::tokens);
  const EncoderConfig& config = weights_.config;
  for (auto* rows : {&x_, &query_, &key_, &value_}) rows->resize(ids_.size() * config.width);
  ffn_.resize(ids_.size() * config.ffn_width);
  narrow_.prepare(weights_.level, weights_.activations, ids_.size(), config.width);
  wide_.prepare(weights_.level, weights_.activations, ids_.size(), config.ffn_width);
  for (auto& error : errors_) error.reset();
  failed_ = false;
}

Result<void> EncoderForward::result() const {
  for (const auto& error : errors_) {
    if (error) return *error;
  }
  return {};
}

EncoderForward::Rows EncoderForward::rows_of(std::size_t thread,
                                             std::size_t threads) const noexcept {
  const std::size_t steps = (ids_.size() + kRowStep - 1) / kRowStep;
  const auto row = [&](std::size_t part) {
    return std::min(steps * part / threads * kRowStep, ids_.size());
  };
  return {row(thread), row(thread + 1)};
}

void EncoderForward::work(std::size_t thread, cpu::Team& team) {
  const Rows rows = rows_of(thread, team.size());
  const auto embedded = embed(rows);
  if (!embedded) {
    errors_[thread] = embedded.error();
    failed_ = true;
  }
  set_rows(x_, weights_.layers.front().attention_scale, rows, thread);
  team.barrier();
  if (failed_) return;
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    run_layer(i, thread, team);
  }
}

Result<void> EncoderForward::embed(Rows rows) {
  const std::size_t width = weights_.config.width;
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    const std::span<float> row = std::span(x_).subspan(i * width, width);
    WEFT_TRY_VOID(tensors_.read_rows({EncoderPart::kTokens, 0, false},
                                     static_cast<std::uint64_t>(ids_[i]), 1, row));
    kernels_.add_norm(row.data(), weights_.positions.data() + positions_[i] * width,
                      weights_.type.data(), weights_.norm(weights_.embedding_norm), width);
  }
  return {};
}

void EncoderForward::set_rows(const std::vector<float>& from, std::span<const float> scale,
                              Rows rows, std::size_t thread) {
  const std::size_t width = weights_.config.width;
  float* scaled = scratch_[thread].data();
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    const float* row = from.data() + i * width;
    if (!scale.empty()) {
      kernels_.multiply(row, scale.data(), width, scaled);
      row = scaled;
    }
    narrow_.set_row(i, row);
  }
}

void EncoderForward::run_layer(std::size_t index, std::size_t thread, cpu::Team& team) {
  const EncoderLayer& layer = weights_.layers[index];
  const std::size_t width = weights_.config.width;
  const std::size_t ffn_width = weights_.config.ffn_width;
  const Rows rows = rows_of(thread, team.size());
  const auto multiply = [&](const cpu::Matrix& matrix, const cpu::Activations& x,
                            std::vector<float>& y) {
    team.share_out(matrix.part_count(team.size()), [&](std::size_t i) {
      const cpu::RowRange part = matrix.part(i, team.size());
      if (part.begin < part.end) matrix.multiply(x, part, y.data(), matrix.rows());
    });
  };
  multiply(*layer.query, narrow_, query_);
  multiply(*layer.key, narrow_, key_);
  multiply(*layer.value, narrow_, value_);
  team.barrier();
  attend(layer, thread, team);
  team.barrier();
  set_rows(query_, {}, rows, thread);
  team.barrier();
  multiply(*layer.attention_output, narrow_, key_);
  team.barrier();
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    kernels_.add_norm(x_.data() + i * width, key_.data() + i * width,
                      layer.attention_output_bias.data(), weights_.norm(layer.attention_norm),
                      width);
  }
  set_rows(x_, layer.up_scale, rows, thread);
  team.barrier();
  multiply(*layer.up, narrow_, ffn_);
  team.barrier();
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    float* row = ffn_.data() + i * ffn_width;
    kernels_.bias_gelu(row, layer.up_bias.data(), ffn_width);
    wide_.set_row(i, row);
  }
  team.barrier();
  multiply(*layer.down, wide_, key_);
  team.barrier();
  for (std::size_t i = rows.begin; i < rows.end; ++i) {
    kernels_.add_norm(x_.data() + i * width, key_.data() + i * width, layer.down_bias.data(),
                      weights_.norm(layer.output_norm), width);
  }
  if (index + 1 == weights_.layers.size()) return;  // the end of run() waits for all
  set_rows(x_, weights_.layers[index + 1].attention_scale, rows, thread);
  team.barrier();
}

void EncoderForward::attend(const EncoderLayer& layer, std::size_t thread, cpu::Team& team) {
  const std::size_t width = weights_.config.width;
  const std::size_t heads = weights_.config.heads;
  const std::size_t head_width = weights_.config.head_width();
  team.share_out(sequences_.size() * heads, [&](std::size_t item) {
    const Sequence& sequence = sequences_[item / heads];
    const std::size_t column = item % heads * head_width;
    const std::size_t at = sequence.first * width + column;
    kernels_.attend({.queries = query_.data() + at,
                     .keys = key_.data() + at,
                     .values = value_.data() + at,
                     .query_bias = layer.query_bias.data() + column,
                     .key_bias = layer.key_bias.data() + column,
                     .value_bias = layer.value_bias.data() + column,
                     .stride = width,
                     .tokens = sequence.tokens,
                     .head_width = head_width,
                     .out = query_.data() + at},
                    scratch_[thread].data());
  });
}

}  // namespace weft::inference
