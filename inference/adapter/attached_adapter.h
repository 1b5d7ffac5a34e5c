#pragma once
// Adapters made ready for one model: what a request or a session carries. The model's own weights
// stay as they are; with it, a linear layer's W x becomes W x + B (A x), in float. A request with
// an adapter and one without may share a batch: neither's bits depend on the other.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "inference/adapter/adapter.h"
#include "inference/model.h"

namespace weft::inference {

/// An adapter and how strongly it acts: its change is multiplied with `scale`, which may be
/// negative. Borrowed.
struct AdapterUse {
  const Adapter* adapter = nullptr;
  float scale = 1;
};

struct AttachOptions {
  /// Also where an adapter's manifest names other models, or where it wants a residual base.
  bool allows_other_base = false;
};

/// Immutable; const members may run at once. Keeps its model.
class AttachedAdapter {
 public:
  /// The changes of all `uses` add up. Errors: kInvalidArgument for none, a scale that isn't
  /// finite, a module that isn't of the model's shapes, or a base that isn't the model (both
  /// fingerprints are named); kUnsupported if the backend has no adapters, kResourceExhausted for
  /// its memory.
  static Result<std::shared_ptr<const AttachedAdapter>> attach(std::shared_ptr<const Model> model,
                                                               std::span<const AdapterUse> uses,
                                                               const AttachOptions& options = {});
  ~AttachedAdapter();
  AttachedAdapter(const AttachedAdapter&) = delete;
  AttachedAdapter& operator=(const AttachedAdapter&) = delete;

  /// 32 hex digits: equal where the same adapters act with the same scales, in the same order.
  const std::string& id() const noexcept { return id_; }
  const Model& model() const noexcept { return *model_; }
  const AdapterWeights& weights() const noexcept { return *weights_; }

 private:
  AttachedAdapter(std::shared_ptr<const Model> model, std::string id,
                  std::unique_ptr<const AdapterWeights> weights);

  std::shared_ptr<const Model> model_;
  std::string id_;
  std::unique_ptr<const AdapterWeights> weights_;
};

/// Errors: kInvalidArgument if `adapter` isn't null and was attached to another model.
Result<void> check_attached(const AttachedAdapter* adapter, const Model& model);

/// Of results with `adapter`; null: of the model alone.
NumericsId numerics_of(const Model& model, const AttachedAdapter* adapter);

}  // namespace weft::inference
