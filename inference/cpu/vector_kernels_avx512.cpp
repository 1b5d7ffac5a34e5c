#define WEFT_SIMD_LEVEL 2
#include "inference/cpu/vector_kernels_impl.h"

namespace weft::inference::cpu {

const VectorKernels& vector_kernels_avx512() noexcept;
const VectorKernels& vector_kernels_avx512() noexcept { return kVectorKernels; }

}  // namespace weft::inference::cpu
