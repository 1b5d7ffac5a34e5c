#pragma once
// Several models of one shape as one: a TensorSource that reads the same rows of all of them and
// combines them when it is asked, so that no model is ever in memory. What a method must know of a
// whole tensor first (thresholds, signs, shares), it finds by reading that tensor once or twice
// more. The formulas are in merge_rules.h.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/weights/tensor_source.h"

namespace weft::inference {

enum class MergeMethod : std::uint8_t {
  kLinear,  // sum of w_k theta_k / sum of w_k; the base counts for nothing
  kTask,    // theta + scale * sum of w_k d_k, where d_k = theta_k - theta
  kTies,    // trims each d_k to its largest `density`, elects signs, means of those that agree
  kVarm,    // sum of w_k theta_k, the shares w_k from the distance of each matrix to the base
};

struct MergeOptions {
  MergeMethod method = MergeMethod::kTask;
  double scale = 1;        // of the merged difference, in kTask and kTies
  double density = 0.2;    // of kTies, in (0, 1]: the share that is kept, of each tensor
  double drop = 0;         // DARE, in [0, 1): before kTask and kTies
  std::uint64_t seed = 0;  // of DARE; model k of the list uses seed + k
};

struct MergeInput {
  const TensorSource* source;  // borrowed
  std::string name;            // for messages
  double weight = 1;           // kVarm has its own
};

/// Borrows its inputs. Const members may run at once.
class MergedTensors : public TensorSource {
 public:
  /// Errors: kInvalidArgument for options out of range, no models, weights that sum to 0 in
  /// kLinear, or tensors that the base and a model don't share (named).
  static Result<std::unique_ptr<MergedTensors>> open(const TensorSource& base,
                                                     std::vector<MergeInput> models,
                                                     const MergeOptions& options);

  /// The base's; of the first block format that any input stores it in, else the base's type.
  std::span<const TensorInfo> tensors() const noexcept override { return tensors_; }
  Result<void> read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override;
  bool is_stored(std::size_t /*index*/) const noexcept override { return false; }
  Result<void> read_blocks(std::size_t index, std::uint64_t offset,
                           std::span<std::byte> out) const override;

 private:
  /// What must be known of a whole tensor before its first row.
  struct Facts {
    std::size_t index;
    std::vector<float> thresholds;  // kTies: of each model's differences
    int majority = 0;               // kTies: for places whose sum is 0
    std::vector<double> shares;     // kVarm
  };
  MergedTensors(const TensorSource& base, std::vector<MergeInput> models,
                const MergeOptions& options)
      : base_(base), models_(std::move(models)), options_(options) {}

  Result<std::shared_ptr<const Facts>> facts_of(std::size_t index) const;
  Result<void> find_thresholds(Facts& facts) const;
  Result<void> find_majority(Facts& facts) const;
  Result<void> find_shares(Facts& facts) const;

  const TensorSource& base_;
  std::vector<MergeInput> models_;
  MergeOptions options_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::vector<std::size_t>> indices_;  // by model, then by the base's index

  // Tensors are asked for one after the other: the last one's facts are enough.
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Facts> facts_;

  class Rows;
};

}  // namespace weft::inference
