#include "inference/adapter/attached_adapter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/sha256.h"

namespace weft::inference {
namespace {

constexpr std::size_t kIdDigits = 32;

Result<void> check_shape(const LowRank& change, const ModelConfig& config) {
  const LinearShape shape = linear_shape(change.linear, config);
  if (change.layer < config.layers && change.rank != 0 &&
      change.a.size() == change.rank * shape.columns &&
      change.b.size() == change.rank * shape.rows) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument, "layer " + std::to_string(change.layer) + "'s " +
                                                std::string(to_string(change.linear)) +
                                                " isn't of this model's shape"};
}

/// Adds a module to what a linear layer has already: ranks beside each other, so that the products
/// are summed in the order of the uses. The scale goes into B.
void append(LowRank& sum, const LowRank& change, float scale) {
  const std::size_t rank = sum.rank + change.rank;
  const std::size_t rows = change.b.size() / change.rank;
  std::vector<float> b(rows * rank);
  for (std::size_t row = 0; row < rows; ++row) {
    float* to = b.data() + row * rank;
    to = std::copy_n(sum.b.data() + row * sum.rank, sum.rank, to);
    for (std::size_t i = 0; i < change.rank; ++i) to[i] = scale * change.b[row * change.rank + i];
  }
  sum.layer = change.layer;
  sum.linear = change.linear;
  sum.rank = rank;
  sum.a.insert(sum.a.end(), change.a.begin(), change.a.end());
  sum.b = std::move(b);
}

}  // namespace

AttachedAdapter::AttachedAdapter(std::shared_ptr<const Model> model, std::string id,
                                 std::unique_ptr<const AdapterWeights> weights)
    : model_(std::move(model)), id_(std::move(id)), weights_(std::move(weights)) {}
AttachedAdapter::~AttachedAdapter() = default;

Result<std::shared_ptr<const AttachedAdapter>> AttachedAdapter::attach(
    std::shared_ptr<const Model> model, std::span<const AdapterUse> uses,
    const AttachOptions& options) {
  if (uses.empty()) return Error{ErrorCode::kInvalidArgument, "no adapter to attach"};
  Sha256 hash;
  std::map<std::pair<std::size_t, Linear>, LowRank> sums;
  for (const auto& [adapter, scale] : uses) {
    if (!std::isfinite(scale)) {
      return Error{ErrorCode::kInvalidArgument,
                   "the scale of adapter " + adapter->source + " isn't finite"};
    }
    if (!options.allows_other_base) {
      WEFT_TRY_VOID(check_base(*adapter, model->numerics().weights, model->path()));
    }
    for (const AdapterModule& module : adapter->modules) {
      const LowRank& change = module.change;
      if (auto fits = check_shape(change, model->config()); !fits) {
        return std::move(fits).error().with_context("adapter " + adapter->source);
      }
      append(sums[{change.layer, change.linear}], change, scale * module.scale);
    }
    hash.update(std::as_bytes(std::span(adapter->digest)));
    const auto bits = std::bit_cast<std::uint32_t>(scale);
    hash.update(std::as_bytes(std::span(&bits, 1)));
  }
  std::vector<LowRank> changes;
  for (auto& [place, sum] : sums) changes.push_back(std::move(sum));
  WEFT_TRY(weights, model->weights().load_adapter(changes));
  return std::shared_ptr<const AttachedAdapter>(new AttachedAdapter(
      std::move(model), hash.hex_digest().substr(0, kIdDigits), std::move(weights)));
}

Result<void> check_attached(const AttachedAdapter* adapter, const Model& model) {
  if (adapter == nullptr || &adapter->model() == &model) return {};
  return Error{ErrorCode::kInvalidArgument,
               "the adapter was attached to another model: attach it to the one that it is used "
               "with"};
}

NumericsId numerics_of(const Model& model, const AttachedAdapter* adapter) {
  NumericsId id = model.numerics();
  if (adapter != nullptr) id.adapter = adapter->id();
  return id;
}

}  // namespace weft::inference
