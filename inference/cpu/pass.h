#pragma once
// One way through the layers: the model's own, or what a request's hooks make of it. Slices of
// different ways run one after the other. Private to inference/cpu.

#include <algorithm>
#include <cstddef>
#include <vector>

#include "inference/cpu/weights.h"
#include "inference/hooks.h"

namespace weft::inference::cpu {

struct Pass {
  struct Layer {
    std::size_t index = 0;   // of the model
    std::size_t slot = 0;    // of keys and values in a block
    std::size_t window = 0;  // positions that a query sees, besides the sinks; 0: all
    std::size_t tiles = 0;   // an index of `windows`
    std::size_t sinks = 0;   // first positions that it sees besides
    std::size_t rope = 0;    // an index of `frequencies`
  };
  std::vector<Layer> layers;                     // in the order they run
  std::vector<std::size_t> windows;              // the different ones
  std::vector<std::vector<double>> frequencies;  // as ModelWeights::rope_frequencies
  std::size_t sink_distance_max = 0;             // as AttentionPolicy's, never 0

  bool has_sinks() const noexcept {
    return std::ranges::any_of(layers, [](const Layer& layer) { return layer.sinks != 0; });
  }
};

/// `hooks` may be null, and are valid for the model.
Pass make_pass(const ModelWeights& model, const Hooks* hooks);

/// Whether both go the same way.
bool same_pass(const HookRun* a, const HookRun* b) noexcept;

}  // namespace weft::inference::cpu
