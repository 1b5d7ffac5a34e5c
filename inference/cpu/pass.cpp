#include "inference/cpu/pass.h"

#include <algorithm>
#include <cmath>

namespace weft::inference::cpu {
namespace {

const Hooks& plain() noexcept {
  static const Hooks none;
  return none;
}

const Hooks& of(const HookRun* run) noexcept { return run != nullptr ? run->hooks() : plain(); }

/// The narrower of two windows, 0 being none.
std::size_t narrower(std::size_t a, std::size_t b) noexcept {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

/// The model's frequencies for another base and scale: what else a file does to single pairs stays.
std::vector<double> changed(std::vector<double> frequencies, const RopeConfig& rope,
                            const PositionPolicy& policy) {
  const double ratio = policy.rope_base == 0
                           ? 1
                           : static_cast<double>(policy.rope_base) / static_cast<double>(rope.base);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = -static_cast<double>(i) / static_cast<double>(frequencies.size());
    frequencies[i] *= std::pow(ratio, exponent) * static_cast<double>(policy.scale);
  }
  return frequencies;
}

}  // namespace

Pass make_pass(const ModelWeights& model, const Hooks* hooks) {
  const ModelConfig& config = model.config;
  const Hooks& chosen = hooks != nullptr ? *hooks : plain();
  Pass pass;
  pass.sink_distance_max = chosen.attention.sink_distance_max != 0
                               ? chosen.attention.sink_distance_max
                               : config.context_length;
  pass.frequencies = model.rope_frequencies;
  for (std::size_t r = 0; r < config.ropes.size(); ++r) {
    // Layers with a window of the model's own keep their positions: they see no further than
    // before.
    const bool is_windowed = std::ranges::all_of(
        config.attention,
        [&](const LayerAttention& layer) { return layer.rope != r || layer.window != 0; });
    if (chosen.positions == PositionPolicy{} || is_windowed) continue;
    pass.frequencies[r] = changed(pass.frequencies[r], config.ropes[r], chosen.positions);
  }
  const std::size_t steps = chosen.program ? chosen.program->size() : config.layers;
  for (std::size_t i = 0; i < steps; ++i) {
    Pass::Layer layer{.index = chosen.program ? (*chosen.program)[i] : i, .slot = i};
    const LayerAttention& own = config.attention[layer.index];
    layer.window = narrower(own.window, chosen.attention.window);
    layer.sinks = own.window == 0 ? chosen.attention.sinks : 0;
    layer.rope = own.rope;
    const auto known = std::ranges::find(pass.windows, layer.window);
    layer.tiles = static_cast<std::size_t>(known - pass.windows.begin());
    if (known == pass.windows.end()) pass.windows.push_back(layer.window);
    pass.layers.push_back(layer);
  }
  return pass;
}

bool same_pass(const HookRun* a, const HookRun* b) noexcept {
  const Hooks& x = of(a);
  const Hooks& y = of(b);
  return &x == &y ||
         (x.attention == y.attention && x.positions == y.positions && x.program == y.program);
}

}  // namespace weft::inference::cpu
