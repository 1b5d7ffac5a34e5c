#include "inference/weights/sparse_delta.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

namespace weft::inference {
namespace {

constexpr std::string_view kFormat = "weft.sparse-delta";
constexpr std::string_view kIndices = ".indices";
constexpr std::string_view kValues = ".values";

std::string metadata_of(const SafetensorsFile& file, std::string_view key) {
  for (const auto& [name, value] : file.metadata()) {
    if (name == key) return value;
  }
  return "";
}

/// A number that is negative in the file becomes one beyond every tensor.
template <typename T>
Result<std::vector<std::uint64_t>> read_indices(const SafetensorsFile& file,
                                                const SafetensorsTensor& tensor) {
  std::vector<T> read(tensor.size_bytes / sizeof(T));
  WEFT_TRY_VOID(file.read(tensor, 0, std::as_writable_bytes(std::span(read))));
  std::vector<std::uint64_t> indices;
  indices.reserve(read.size());
  for (const T index : read) {
    indices.push_back(static_cast<std::uint64_t>(static_cast<std::int64_t>(index)));
  }
  return indices;
}

}  // namespace

std::string_view to_string(DeltaOp op) noexcept { return op == DeltaOp::kAdd ? "add" : "set"; }

Result<SparseDelta> SparseDelta::open(const std::filesystem::path& path) {
  WEFT_TRY(file, SafetensorsFile::open(path));
  SparseDelta delta(std::move(file));
  const auto refuse = [&](ErrorCode code, const std::string& why) {
    return Error{code, path.string() + ": " + why};
  };
  if (metadata_of(delta.file_, "format") != kFormat) {
    return refuse(
        ErrorCode::kUnsupported,
        "not a sparse delta: its metadata has no \"format\": \"" + std::string(kFormat) + "\"");
  }
  const std::string op = metadata_of(delta.file_, "op");
  if (op != "add" && op != "set") {
    return refuse(ErrorCode::kUnsupported, "the operation \"" + op + "\" isn't add or set");
  }
  delta.op_ = op == "add" ? DeltaOp::kAdd : DeltaOp::kSet;
  delta.base_ = metadata_of(delta.file_, "base");
  for (const SafetensorsTensor& tensor : delta.file_.tensors()) {
    if (tensor.name.ends_with(kValues)) continue;
    if (!tensor.name.ends_with(kIndices)) {
      return refuse(ErrorCode::kCorrupt,
                    "tensor '" + tensor.name + "' is neither indices nor values");
    }
    const std::string name = tensor.name.substr(0, tensor.name.size() - kIndices.size());
    const SafetensorsTensor* values = delta.file_.tensor(name + std::string(kValues));
    if (values == nullptr || !values->type || values->shape.size() != 1 ||
        values->shape != tensor.shape || (tensor.dtype != "I64" && tensor.dtype != "I32")) {
      return refuse(ErrorCode::kCorrupt, "the changes of '" + name +
                                             "' aren't a list of I64 or I32 indices and one of as "
                                             "many floats");
    }
  }
  if (delta.tensors().size() * 2 != delta.file_.tensors().size()) {
    return refuse(ErrorCode::kCorrupt, "there are values without indices");
  }
  return delta;
}

std::vector<std::string> SparseDelta::tensors() const {
  std::vector<std::string> names;
  for (const SafetensorsTensor& tensor : file_.tensors()) {
    if (!tensor.name.ends_with(kIndices)) continue;
    names.push_back(tensor.name.substr(0, tensor.name.size() - kIndices.size()));
  }
  return names;
}

std::uint64_t SparseDelta::changed() const noexcept {
  std::uint64_t sum = 0;
  for (const SafetensorsTensor& tensor : file_.tensors()) {
    if (tensor.name.ends_with(kIndices)) sum += tensor.shape[0];
  }
  return sum;
}

bool SparseDelta::touches(std::string_view tensor) const noexcept {
  return file_.tensor(std::string(tensor) + std::string(kIndices)) != nullptr;
}

Result<SparseDelta::Changes> SparseDelta::changes(std::string_view tensor,
                                                  std::uint64_t values) const {
  const std::string name(tensor);
  const SafetensorsTensor* where = file_.tensor(name + std::string(kIndices));
  const SafetensorsTensor* what = file_.tensor(name + std::string(kValues));
  if (where == nullptr) return Changes{};
  WEFT_TRY(indices, where->dtype == "I64" ? read_indices<std::int64_t>(file_, *where)
                                          : read_indices<std::int32_t>(file_, *where));
  std::vector<float> read(indices.size());
  WEFT_TRY_VOID(file_.read_rows(*what, 0, 1, read));
  std::vector<std::size_t> order(indices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return indices[i]; });
  Changes changes;
  changes.indices.reserve(order.size());
  changes.values.reserve(order.size());
  const auto refuse = [&](std::uint64_t index, const std::string& why) {
    return Error{ErrorCode::kCorrupt, file_.path().string() + ": index " + std::to_string(index) +
                                          " of '" + name + "' " + why};
  };
  for (const std::size_t i : order) {
    const std::uint64_t index = indices[i];
    if (index >= values)
      return refuse(index, "is beyond its " + std::to_string(values) + " weights");
    if (!changes.indices.empty() && changes.indices.back() == index) {
      return refuse(index, "stands there twice");
    }
    if (!std::isfinite(read[i])) return refuse(index, "has a value that is no number");
    changes.indices.push_back(index);
    changes.values.push_back(read[i]);
  }
  return changes;
}

Result<std::unique_ptr<PatchedTensors>> PatchedTensors::open(const TensorSource& source,
                                                             const SparseDelta& delta,
                                                             const Options& options) {
  if (delta.op() == DeltaOp::kSet && (options.inverse || options.scale != 1)) {
    return Error{ErrorCode::kInvalidArgument,
                 "a delta that sets weights has no scale and no inverse: make the other one with "
                 "weft model diff TUNED BASE, or one that adds with --op add"};
  }
  for (const std::string& name : delta.tensors()) {
    if (index_of(source, name) == source.tensors().size()) {
      return Error{ErrorCode::kInvalidArgument, "the delta changes a tensor '" + name +
                                                    "' that the model lacks: it was made for "
                                                    "another one"};
    }
  }
  const double factor = options.inverse ? -double{options.scale} : double{options.scale};
  return std::unique_ptr<PatchedTensors>(new PatchedTensors(source, delta, factor));
}

bool PatchedTensors::is_stored(std::size_t index) const noexcept {
  return source_.is_stored(index) && !delta_.touches(tensors()[index].name);
}

Result<void> PatchedTensors::read_blocks(std::size_t index, std::uint64_t offset,
                                         std::span<std::byte> out) const {
  if (is_stored(index)) return source_.read_blocks(index, offset, out);
  return Error{ErrorCode::kInvalidArgument,
               "the changed tensor '" + tensors()[index].name + "' has no blocks"};
}

Result<std::shared_ptr<const SparseDelta::Changes>> PatchedTensors::changes_of(
    std::size_t index) const {
  const std::scoped_lock lock(mutex_);
  if (changes_ && changes_index_ == index) return changes_;
  const TensorInfo& tensor = tensors()[index];
  WEFT_TRY(changes, delta_.changes(tensor.name, tensor.rows() * tensor.row_length()));
  changes_ = std::make_shared<const SparseDelta::Changes>(std::move(changes));
  changes_index_ = index;
  return changes_;
}

Result<void> PatchedTensors::read_rows(std::size_t index, std::uint64_t first, std::uint64_t count,
                                       std::span<float> out) const {
  WEFT_TRY_VOID(source_.read_rows(index, first, count, out));
  if (!delta_.touches(tensors()[index].name)) return {};
  WEFT_TRY(changes, changes_of(index));
  const std::uint64_t start = first * tensors()[index].row_length();
  const auto begin = std::ranges::lower_bound(changes->indices, start);
  const auto end = std::ranges::lower_bound(changes->indices, start + out.size());
  for (auto it = begin; it != end; ++it) {
    float& weight = out[*it - start];
    const float value = changes->values[static_cast<std::size_t>(it - changes->indices.begin())];
    weight = delta_.op() == DeltaOp::kSet ? value : static_cast<float>(weight + factor_ * value);
  }
  return {};
}

}  // namespace weft::inference
