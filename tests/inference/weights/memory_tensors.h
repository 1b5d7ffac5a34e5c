#pragma once
// Tensors in memory as a source, for tests; it counts what is read of it at a time.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "inference/weights/tensor_source.h"

namespace weft::inference {

class MemoryTensors : public TensorSource {
 public:
  MemoryTensors() = default;

  void add(const std::string& name, std::vector<std::uint64_t> dims, std::vector<float> values,
           TensorType type = TensorType::kF32) {
    infos_.push_back({name, type, std::move(dims), 0, values.size() * sizeof(float)});
    values_.push_back(std::move(values));
  }

  std::span<const TensorInfo> tensors() const noexcept override { return infos_; }
  Result<void> read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override {
    const std::uint64_t length = infos_[index].row_length();
    if (out.size() != count * length || first + count > infos_[index].rows()) {
      return Error{ErrorCode::kInvalidArgument, "rows"};
    }
    most_values_read = std::max(most_values_read, out.size());
    std::ranges::copy(std::span(values_[index]).subspan(first * length, out.size()), out.begin());
    return {};
  }
  bool is_stored(std::size_t /*index*/) const noexcept override { return false; }
  Result<void> read_blocks(std::size_t /*index*/, std::uint64_t /*offset*/,
                           std::span<std::byte> /*out*/) const override {
    return Error{ErrorCode::kInvalidArgument, "no blocks"};
  }

  mutable std::size_t most_values_read = 0;  // at a time

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::vector<float>> values_;
};

/// All values of a tensor, `step` rows at a time.
inline std::vector<float> all_of(const TensorSource& source, std::size_t index,
                                 std::uint64_t step = 1 << 30) {
  const TensorInfo& tensor = source.tensors()[index];
  std::vector<float> values(tensor.rows() * tensor.row_length());
  for (std::uint64_t first = 0; first < tensor.rows(); first += step) {
    const std::uint64_t count = std::min(step, tensor.rows() - first);
    const auto rows =
        std::span(values).subspan(first * tensor.row_length(), count * tensor.row_length());
    source.read_rows(index, first, count, rows).value();
  }
  return values;
}

}  // namespace weft::inference
