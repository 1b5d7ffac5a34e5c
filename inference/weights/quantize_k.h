#pragma once
// The formats with blocks of 256 values. Private to quantize.cpp, which checks the values.

#include <cstddef>
#include <span>

namespace weft::inference {

/// `weights` (256) are those of each squared error, or empty: then larger values count more.
void quantize_q4_k(std::span<const float, 256> x, std::span<const float> weights,
                   std::span<std::byte, 144> out);
void quantize_q5_k(std::span<const float, 256> x, std::span<const float> weights,
                   std::span<std::byte, 176> out);
void quantize_q6_k(std::span<const float, 256> x, std::span<const float> weights,
                   std::span<std::byte, 210> out);

}  // namespace weft::inference
