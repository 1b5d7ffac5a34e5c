#include "inference/cpu/vector_kernels.h"

namespace weft::inference::cpu {

const VectorKernels& vector_kernels_scalar() noexcept;
#if defined(__x86_64__)
const VectorKernels& vector_kernels_avx2() noexcept;
const VectorKernels& vector_kernels_avx512() noexcept;
#endif

const VectorKernels& vector_kernels(Level level) noexcept {
  switch (level) {
#if defined(__x86_64__)
    case Level::kAvx2:
      return vector_kernels_avx2();
    case Level::kAvx512Vnni:
      return vector_kernels_avx512();
#endif
    default:
      return vector_kernels_scalar();
  }
}

}  // namespace weft::inference::cpu
