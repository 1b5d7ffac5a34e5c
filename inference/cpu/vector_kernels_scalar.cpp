#define WEFT_SIMD_LEVEL 0
#include "inference/cpu/vector_kernels_impl.h"

namespace weft::inference::cpu {

const VectorKernels& vector_kernels_scalar() noexcept;
const VectorKernels& vector_kernels_scalar() noexcept { return kVectorKernels; }

}  // namespace weft::inference::cpu
