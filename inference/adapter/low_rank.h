#pragma once
// A change of low rank to one linear layer of a model: what was W x becomes W x + B (A x).
// Source: Hu et al. 2021 (LoRA), equation (3).

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weft::inference {

struct ModelConfig;

/// The linear layers within one of a model's layers.
enum class Linear : std::uint8_t { kQ, kK, kV, kAttentionOutput, kGate, kUp, kDown };
inline constexpr std::size_t kLinears = 7;

std::string_view to_string(Linear linear) noexcept;  // GGUF's name: "attn_q"

struct LinearShape {
  std::size_t rows = 0;
  std::size_t columns = 0;
};
LinearShape linear_shape(Linear linear, const ModelConfig& config) noexcept;

struct LowRank {
  std::size_t layer = 0;
  Linear linear = Linear::kQ;
  std::size_t rank = 0;
  std::vector<float> a;  // (rank, columns of the linear layer)
  std::vector<float> b;  // (rows of the linear layer, rank)
};

}  // namespace weft::inference
