#include "inference/backend.h"

#include "inference/adapter/low_rank.h"
#include "inference/cpu/backend.h"

namespace weft::inference {

std::size_t first_position(std::span<const Slice> slices, std::size_t i) noexcept {
  std::size_t forked = 0;
  for (; slices[i].fork; i = slices[i].fork->slice) forked += slices[i].fork->tokens;
  return slices[i].cache->length() + forked;
}

Result<std::unique_ptr<const AdapterWeights>> Weights::load_adapter(
    std::span<const LowRank>) const {
  return Error{ErrorCode::kUnsupported, "this backend computes with no adapters"};
}

Result<void> StepRunner::sparse_logits(std::size_t i, std::span<const std::uint64_t>,
                                       std::span<float> out) {
  return logits(i, 1, out);
}

Result<void> StepRunner::hidden(std::size_t, std::span<float>) {
  return Error{ErrorCode::kUnsupported,
               "this backend doesn't give hidden states, so a request can't have head rows here"};
}

std::string_view to_string(KvType type) noexcept { return type == KvType::kQ8_0 ? "q8_0" : "f16"; }

Result<std::shared_ptr<const Backend>> open_backend(const BackendOptions& options) {
  WEFT_TRY(level, cpu::choose_level(options.cpu_level));
  return cpu::make_backend(level, std::make_shared<cpu::ThreadPool>(options.threads), options.kv);
}

}  // namespace weft::inference
