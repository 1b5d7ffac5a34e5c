#include "inference/weights/merge.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "inference/weights/merge_rules.h"
#include "inference/weights/quantize.h"

namespace weft::inference {
namespace {

Result<void> check_options(const MergeOptions& options, std::span<const MergeInput> models) {
  const auto refuse = [](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, why};
  };
  if (models.empty()) return refuse("there is no model to merge");
  if (!(options.drop >= 0 && options.drop < 1)) {
    return refuse("the share to drop must be in [0, 1)");
  }
  if (!(options.density > 0 && options.density <= 1)) {
    return refuse("the density must be in (0, 1]");
  }
  if (!std::isfinite(options.scale)) return refuse("the scale must be a number");
  const bool has_deltas =
      options.method == MergeMethod::kTask || options.method == MergeMethod::kTies;
  if (options.drop > 0 && !has_deltas) {
    return refuse("dropping (DARE) is of differences to the base: choose task or ties");
  }
  double sum = 0;
  for (const MergeInput& model : models) {
    if (!std::isfinite(model.weight)) {
      return refuse("the weight of " + model.name + " must be a number");
    }
    if (model.weight <= 0 && options.method == MergeMethod::kTies) {
      return refuse("the weight of " + model.name + " must be above 0 in TIES");
    }
    sum += model.weight;
  }
  if (options.method == MergeMethod::kLinear && sum == 0) return refuse("the weights sum to 0");
  return {};
}

}  // namespace

/// The same rows of the base and of every model.
class MergedTensors::Rows {
 public:
  Rows(const MergedTensors& merged, std::size_t index) : merged_(merged), index_(index) {}

  Result<void> read(std::uint64_t first, std::uint64_t count) {
    const std::size_t size = count * merged_.tensors_[index_].row_length();
    base_.resize(size);
    WEFT_TRY_VOID(merged_.base_.read_rows(index_, first, count, base_));
    models_.resize(merged_.models_.size());
    for (std::size_t k = 0; k < models_.size(); ++k) {
      models_[k].resize(size);
      WEFT_TRY_VOID(merged_.models_[k].source->read_rows(merged_.indices_[k][index_], first, count,
                                                         models_[k]));
    }
    return {};
  }

  /// read() of all rows, some at a time; `use` comes after each.
  template <typename Use>
  Result<void> each(const Use& use) {
    const TensorInfo& tensor = merged_.tensors_[index_];
    const std::uint64_t step = rows_at_once(tensor);
    for (std::uint64_t first = 0; first < tensor.rows(); first += step) {
      WEFT_TRY_VOID(read(first, std::min(step, tensor.rows() - first)));
      use();
    }
    return {};
  }

  std::size_t size() const { return base_.size(); }
  std::size_t models() const { return models_.size(); }
  float base(std::size_t i) const { return base_[i]; }
  float model(std::size_t k, std::size_t i) const { return models_[k][i]; }
  double delta(std::size_t k, std::size_t i) const { return double{models_[k][i]} - base_[i]; }

 private:
  const MergedTensors& merged_;
  std::size_t index_;
  std::vector<float> base_;
  std::vector<std::vector<float>> models_;
};

Result<std::unique_ptr<MergedTensors>> MergedTensors::open(const TensorSource& base,
                                                           std::vector<MergeInput> models,
                                                           const MergeOptions& options) {
  WEFT_TRY_VOID(check_options(options, models));
  std::unique_ptr<MergedTensors> merged(new MergedTensors(base, std::move(models), options));
  merged->tensors_.assign(base.tensors().begin(), base.tensors().end());
  for (const MergeInput& model : merged->models_) {
    WEFT_TRY(indices, match_tensors(base, *model.source, model.name));
    for (std::size_t i = 0; i < indices.size(); ++i) {
      TensorInfo& tensor = merged->tensors_[i];
      const TensorType theirs = model.source->tensors()[indices[i]].type;
      if (is_block_format(theirs) && !is_block_format(tensor.type)) tensor.type = theirs;
    }
    merged->indices_.push_back(std::move(indices));
  }
  return merged;
}

Result<void> MergedTensors::find_thresholds(Facts& facts) const {
  std::vector<MagnitudeThreshold> thresholds(models_.size(), MagnitudeThreshold(options_.density));
  std::vector<float> deltas;
  Rows rows(*this, facts.index);
  const auto pass = [&](void (MagnitudeThreshold::*take)(std::span<const float>)) {
    return rows.each([&] {
      deltas.resize(rows.size());
      for (std::size_t k = 0; k < models_.size(); ++k) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
          deltas[i] = static_cast<float>(rows.delta(k, i));
        }
        (thresholds[k].*take)(deltas);
      }
    });
  };
  WEFT_TRY_VOID(pass(&MagnitudeThreshold::count));
  for (MagnitudeThreshold& threshold : thresholds) threshold.choose();
  WEFT_TRY_VOID(pass(&MagnitudeThreshold::refine));
  for (const MagnitudeThreshold& threshold : thresholds) {
    facts.thresholds.push_back(threshold.threshold());
  }
  return {};
}

namespace {

/// DARE and TIES' trimming of the models' differences at one place after the other.
class Sparsifier {
 public:
  Sparsifier(std::span<const MergeInput> models, const MergeOptions& options,
             std::string_view tensor, std::span<const float> thresholds)
      : thresholds_(thresholds), deltas_(models.size()) {
    for (std::size_t k = 0; k < models.size(); ++k) {
      masks_.emplace_back(options.seed + k, tensor, options.drop);
      weights.push_back(models[k].weight);
    }
  }

  template <typename Rows>
  Deltas at(const Rows& rows, std::size_t i, std::uint64_t place) {
    for (std::size_t k = 0; k < deltas_.size(); ++k) {
      double delta = rows.delta(k, i);
      const bool is_trimmed =
          !thresholds_.empty() && std::abs(static_cast<float>(delta)) < thresholds_[k];
      deltas_[k] = is_trimmed ? 0 : masks_[k].keep_or_drop(delta, place);
    }
    return deltas_;
  }

  std::vector<double> weights;

 private:
  std::span<const float> thresholds_;
  std::vector<DropMask> masks_;
  std::vector<double> deltas_;
};

}  // namespace

Result<void> MergedTensors::find_majority(Facts& facts) const {
  Sparsifier sparsifier(models_, options_, tensors_[facts.index].name, facts.thresholds);
  Rows rows(*this, facts.index);
  std::uint64_t place = 0;
  std::int64_t sum = 0;
  WEFT_TRY_VOID(rows.each([&] {
    for (std::size_t i = 0; i < rows.size(); ++i, ++place) {
      sum += elected_sign(sparsifier.at(rows, i, place), sparsifier.weights);
    }
  }));
  facts.majority = sum < 0 ? -1 : 1;
  return {};
}

Result<void> MergedTensors::find_shares(Facts& facts) const {
  std::vector<double> squares(models_.size());
  Rows rows(*this, facts.index);
  WEFT_TRY_VOID(rows.each([&] {
    for (std::size_t k = 0; k < models_.size(); ++k) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        squares[k] += rows.delta(k, i) * rows.delta(k, i);
      }
    }
  }));
  const TensorInfo& tensor = tensors_[facts.index];
  for (double& square : squares) {
    square /= static_cast<double>(tensor.rows() * tensor.row_length());
  }
  facts.shares = varm_shares(squares);
  return {};
}

Result<std::shared_ptr<const MergedTensors::Facts>> MergedTensors::facts_of(
    std::size_t index) const {
  const std::scoped_lock lock(mutex_);
  if (facts_ && facts_->index == index) return facts_;
  auto facts = std::make_shared<Facts>(Facts{.index = index});
  if (options_.method == MergeMethod::kTies) {
    if (options_.density < 1) WEFT_TRY_VOID(find_thresholds(*facts));
    WEFT_TRY_VOID(find_majority(*facts));
  }
  if (options_.method == MergeMethod::kVarm) WEFT_TRY_VOID(find_shares(*facts));
  facts_ = facts;
  return facts_;
}

Result<void> MergedTensors::read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                                      std::span<float> out) const {
  WEFT_TRY(facts, facts_of(index));
  Rows rows(*this, index);
  const TensorInfo& tensor = tensors_[index];
  if (out.size() != count * tensor.row_length()) {
    return Error{ErrorCode::kInvalidArgument,
                 "rows of '" + tensor.name + "' into " + std::to_string(out.size()) + " floats"};
  }
  WEFT_TRY_VOID(rows.read(first, count));
  Sparsifier sparsifier(models_, options_, tensor.name, facts->thresholds);
  std::vector<double> shares = facts->shares;
  if (options_.method == MergeMethod::kLinear) {
    double sum = 0;
    for (const MergeInput& model : models_) sum += model.weight;
    for (const MergeInput& model : models_) shares.push_back(model.weight / sum);
  }
  // base + (model - base) isn't always the model's last bit.
  const bool is_the_model = options_.method == MergeMethod::kTask && models_.size() == 1 &&
                            options_.drop == 0 && options_.scale * models_[0].weight == 1;
  const std::uint64_t start = first * tensor.row_length();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (is_the_model) {
      out[i] = rows.model(0, i);
      continue;
    }
    double value = 0;
    if (!shares.empty()) {
      for (std::size_t k = 0; k < shares.size(); ++k) value += shares[k] * rows.model(k, i);
    } else {
      const Deltas deltas = sparsifier.at(rows, i, start + i);
      double merged = 0;
      if (options_.method == MergeMethod::kTies) {
        const int sign = elected_sign(deltas, sparsifier.weights);
        merged = mean_of_sign(deltas, sparsifier.weights, sign != 0 ? sign : facts->majority);
      } else {
        for (std::size_t k = 0; k < deltas.size(); ++k) {
          merged += sparsifier.weights[k] * deltas[k];
        }
      }
      value = rows.base(i) + options_.scale * merged;
    }
    out[i] = static_cast<float>(value);
  }
  return {};
}

Result<void> MergedTensors::read_blocks(std::size_t index, std::uint64_t /*offset*/,
                                        std::span<std::byte> /*out*/) const {
  return Error{ErrorCode::kInvalidArgument,
               "the merged tensor '" + tensors_[index].name + "' has no blocks"};
}

}  // namespace weft::inference
