#pragma once
// Models whose vocabularies differ by tokens that one of them has added at its end: the others get
// rows for these, each the mean of their own rows, so that all can be merged. Source: Yu et al.
// 2024 (DARE), whose code aligns its models so.

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/weights/tensor_source.h"

namespace weft::inference {

/// How many tokens `a` and `b` have at the most, if the one's list begins the other's.
/// Errors: kInvalidArgument names the first token that differs; those of the getters.
Result<std::uint64_t> common_vocabulary(const GgufFile& a, const GgufFile& b);

/// The source, which it borrows, with token_embd.weight and output.weight of `tokens` rows at
/// least. Const members may run at once.
class PaddedVocabulary : public TensorSource {
 public:
  PaddedVocabulary(const TensorSource& source, std::uint64_t tokens);

  std::span<const TensorInfo> tensors() const noexcept override { return tensors_; }
  Result<void> read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override;
  bool is_stored(std::size_t index) const noexcept override;
  Result<void> read_blocks(std::size_t index, std::uint64_t offset,
                           std::span<std::byte> out) const override;

 private:
  Result<std::vector<float>> mean_row(std::size_t index) const;

  const TensorSource& source_;
  std::vector<TensorInfo> tensors_;
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<float>> means_;  // by tensor; empty until it is asked for
};

}  // namespace weft::inference
