#include "inference/weights/tensor_source.h"

#include <algorithm>
#include <string>

namespace weft::inference {

std::size_t index_of(const TensorSource& source, std::string_view name) noexcept {
  const auto found = std::ranges::find(source.tensors(), name, &TensorInfo::name);
  return static_cast<std::size_t>(found - source.tensors().begin());
}

Result<std::vector<std::size_t>> match_tensors(const TensorSource& base, const TensorSource& other,
                                               std::string_view other_name) {
  const auto refuse = [&](const std::string& what, const std::string& tensor) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(other_name) + " has " + what + " '" + tensor +
                     "', unlike the base: both must be of one architecture and size"};
  };
  std::vector<std::size_t> indices;
  for (const TensorInfo& tensor : base.tensors()) {
    const std::size_t index = index_of(other, tensor.name);
    if (index == other.tensors().size()) return refuse("no tensor", tensor.name);
    if (other.tensors()[index].dims != tensor.dims) return refuse("another shape of", tensor.name);
    indices.push_back(index);
  }
  for (const TensorInfo& tensor : other.tensors()) {
    if (index_of(base, tensor.name) == base.tensors().size())
      return refuse("a tensor", tensor.name);
  }
  return indices;
}

std::uint64_t rows_at_once(const TensorInfo& tensor) noexcept {
  constexpr std::uint64_t kValues = std::uint64_t{1} << 20;
  return std::clamp<std::uint64_t>(kValues / tensor.row_length(), 1, tensor.rows());
}

}  // namespace weft::inference
