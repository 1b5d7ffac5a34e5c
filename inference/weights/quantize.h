#pragma once
// Floats to the blocks of GGUF's formats, rounding to nearest. Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0
// without importance give the bytes of ggml's own reference, so that files compare. The K formats,
// and all formats of less than eight bits with importance, choose their steps by block_fit.h: the
// same layout and formula of values as ggml's, not the same bytes. Source of the error bound and of
// the idea: "A Comprehensive Evaluation of Quantization Strategies for Large Language Models",
// 2024; of the layouts: tensor_type.cpp.

#include <cstddef>
#include <span>

#include "base/result.h"
#include "inference/tensor_type.h"

namespace weft::inference {

/// A block format, as opposed to F32, F16 and BF16.
bool is_block_format(TensorType type) noexcept;

/// Quantises a row. `values` is whole blocks of `type`, and `out` exactly theirs. `importance` is
/// empty or, for each value (column), how much its squared error counts: finite, >= 0, the mean
/// square of the activation that it meets. Each value ends within half a step of its block's grid,
/// save those past the grid's end (the side opposite to the largest value in Q4_0 and Q5_0).
/// A block that's all zeros comes back as zeros.
/// Errors: kInvalidArgument for sizes; kUnsupported for a value that isn't finite or that the
/// format can't hold, saying which and where.
Result<void> quantize(TensorType type, std::span<const float> values,
                      std::span<const float> importance, std::span<std::byte> out);

}  // namespace weft::inference
