#pragma once
// Rows of a request's own after the vocabulary's in the output head: tools as tokens, say. Source:
// Hao et al. 2023 (ToolkenGPT), section 3.1. Private to inference.

#include <span>

namespace weft::inference {

/// out[i] = rows[i] . hidden, `rows` (out.size(), hidden.size()). The same bits on any machine.
void head_logits(std::span<const float> rows, std::span<const float> hidden,
                 std::span<float> out) noexcept;

}  // namespace weft::inference
