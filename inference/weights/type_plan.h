#pragma once
// Which format each tensor of a model gets, by llama.cpp's rules: norms and biases stay as they
// are, the output (or the embedding, where that is the output too) gets more bits, rows that
// aren't whole blocks of 256 fall back to a format with blocks of 32.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/tensor_type.h"

namespace weft::inference {

/// A recipe by its usual name.
struct Quantization {
  std::string_view name;    // "q4_k_m"
  TensorType type;          // of most matrices
  bool mixes = false;       // gives attention values and the FFN's way down Q6_K in half the layers
  std::uint32_t file_type;  // GGUF's general.file_type
};

/// f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k_s, q4_k_m, q5_k_s, q5_k_m, q6_k.
std::span<const Quantization> quantizations() noexcept;
/// By name in any case; q4_k and q5_k are q4_k_s and q5_k_s.
/// Errors: kInvalidArgument lists the names.
Result<Quantization> quantization_named(std::string_view name);

/// A tensor type by name in any case, "q6_k". Errors: kInvalidArgument lists the names.
Result<TensorType> tensor_type_named(std::string_view name);

struct TypeRule {
  std::string pattern;  // part of a tensor's name, "*" for any text in it: "blk.*.attn_v"
  TensorType type;
};

struct TypePlanOptions {
  std::optional<Quantization> quantization;  // none: as they are
  std::optional<TensorType> output;          // of output.weight, or of the embedding in its place
  std::optional<TensorType> embedding;       // of token_embd.weight
  std::vector<TypeRule> rules;               // before all others, the first that matches
};

/// Of each tensor, in order. Errors: kInvalidArgument for a rule that fits no tensor or asks for
/// blocks that a tensor's rows aren't made of (named).
Result<std::vector<TensorType>> plan_types(std::span<const TensorInfo> tensors,
                                           const TypePlanOptions& options);

}  // namespace weft::inference
