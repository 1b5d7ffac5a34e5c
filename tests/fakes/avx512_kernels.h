#pragma once
// Kernels of Level::kAvx512Vnni that run on AVX2.

#include "inference/cpu/kernels.h"

namespace weft::inference::cpu {

extern const Kernels kAvx512EmulatedKernels;

}  // namespace weft::inference::cpu
