#pragma once
// What the readers of both file formats share. Private to inference.

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "inference/adapter/adapter.h"
#include "inference/model_config.h"

namespace weft::inference {

/// Without bases and digest. Errors: as read_adapter().
Result<Adapter> read_gguf_adapter(const std::filesystem::path& file, const ModelConfig& config);
Result<Adapter> read_peft_adapter(const std::filesystem::path& folder, const ModelConfig& config);

/// The tensors of one module, of GgufFile or SafetensorsFile.
template <typename Tensor>
struct Halves {
  const Tensor* a = nullptr;
  const Tensor* b = nullptr;
};

/// In order of layers and linears.
template <typename Tensor>
using ModuleTensors = std::map<std::pair<std::size_t, Linear>, Halves<Tensor>>;

/// Errors: kCorrupt if `layer` isn't one of the model's, or the half is there already.
template <typename Tensor>
Result<void> add_half(ModuleTensors<Tensor>& modules, std::size_t layer, Linear linear, bool is_a,
                      const Tensor& tensor, const ModelConfig& config) {
  if (layer >= config.layers) {
    return Error{ErrorCode::kCorrupt, "tensor " + tensor.name + " is of layer " +
                                          std::to_string(layer) + "; the model has " +
                                          std::to_string(config.layers)};
  }
  Halves<Tensor>& halves = modules[{layer, linear}];
  const Tensor*& half = is_a ? halves.a : halves.b;
  if (half != nullptr) {
    return Error{ErrorCode::kCorrupt,
                 "tensors " + half->name + " and " + tensor.name + " are the same half"};
  }
  half = &tensor;
  return {};
}

/// Throughout (rows, columns).
inline Error wrong_shape(const std::string& name, std::uint64_t rows, std::uint64_t columns,
                         const std::string& wanted) {
  return {ErrorCode::kCorrupt, "tensor " + name + " has the shape (" + std::to_string(rows) + ", " +
                                   std::to_string(columns) + "); " + wanted};
}

/// Checks a module's shapes against the model's and reads it.
template <typename File, typename Tensor>
Result<LowRank> read_low_rank(const File& file, std::pair<std::size_t, Linear> place,
                              const Halves<Tensor>& halves, const ModelConfig& config) {
  const auto [a, b] = halves;
  if (a == nullptr || b == nullptr) {
    return Error{ErrorCode::kCorrupt, "tensor " + (a != nullptr ? a : b)->name +
                                          " is half a module: the other half is missing"};
  }
  const LinearShape shape = linear_shape(place.second, config);
  const std::uint64_t rank = a->rows();
  if (a->row_length() != shape.columns || rank == 0) {
    return wrong_shape(a->name, rank, a->row_length(),
                       "the model calls for (rank, " + std::to_string(shape.columns) + ')');
  }
  if (rank > kAdapterRankMax) {
    return Error{ErrorCode::kResourceExhausted, "tensor " + a->name + " has rank " +
                                                    std::to_string(rank) + "; the limit is " +
                                                    std::to_string(kAdapterRankMax)};
  }
  if (b->rows() != shape.rows || b->row_length() != rank) {
    return wrong_shape(
        b->name, b->rows(), b->row_length(),
        "the model calls for (" + std::to_string(shape.rows) + ", " + std::to_string(rank) + ')');
  }
  LowRank change{.layer = place.first, .linear = place.second, .rank = rank, .a = {}, .b = {}};
  for (const auto& [tensor, values] : {std::pair{a, &change.a}, std::pair{b, &change.b}}) {
    values->resize(tensor->rows() * tensor->row_length());
    WEFT_TRY_VOID(file.read_rows(*tensor, 0, tensor->rows(), *values));
    for (const float value : *values) {
      if (!std::isfinite(value)) {
        return Error{ErrorCode::kCorrupt,
                     "tensor " + tensor->name + " holds a value that isn't finite"};
      }
    }
  }
  return change;
}

}  // namespace weft::inference
