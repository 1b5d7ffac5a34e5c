#include "inference/backend.h"

#include "inference/cpu/backend.h"

namespace weft::inference {

Result<std::shared_ptr<const Backend>> open_backend(const BackendOptions& options) {
  WEFT_TRY(level, cpu::choose_level(options.cpu_level));
  return cpu::make_backend(level, std::make_shared<cpu::ThreadPool>(options.threads));
}

}  // namespace weft::inference
