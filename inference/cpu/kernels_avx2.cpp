#define WEFT_SIMD_LEVEL 1
#include "inference/cpu/kernels.h"
#include "inference/cpu/multiply_impl.h"
#include "inference/cpu/quantize_impl.h"

namespace weft::inference::cpu {

const Kernels kAvx2Kernels = {
    .level = Level::kAvx2,
    .group_rows = kGroupRows,
    .tile_rows = kTileRows,
    .quantize_32 = quantize_32,
    .quantize_256 = quantize_256,
    .multiply = multiply,
};

}  // namespace weft::inference::cpu
