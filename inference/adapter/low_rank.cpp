#include "inference/adapter/low_rank.h"

#include "inference/model_config.h"

namespace weft::inference {

std::string_view to_string(Linear linear) noexcept {
  switch (linear) {
    case Linear::kQ:
      return "attn_q";
    case Linear::kK:
      return "attn_k";
    case Linear::kV:
      return "attn_v";
    case Linear::kAttentionOutput:
      return "attn_output";
    case Linear::kGate:
      return "ffn_gate";
    case Linear::kUp:
      return "ffn_up";
    case Linear::kDown:
      return "ffn_down";
  }
  return "?";
}

LinearShape linear_shape(Linear linear, const ModelConfig& config) noexcept {
  const std::size_t q_width = config.heads * config.head_width;
  switch (linear) {
    case Linear::kQ:
      return {q_width, config.width};
    case Linear::kK:
    case Linear::kV:
      return {config.kv_heads * config.head_width, config.width};
    case Linear::kAttentionOutput:
      return {config.width, q_width};
    case Linear::kGate:
    case Linear::kUp:
      return {config.ffn_width, config.width};
    case Linear::kDown:
      return {config.width, config.ffn_width};
  }
  return {};
}

}  // namespace weft::inference
