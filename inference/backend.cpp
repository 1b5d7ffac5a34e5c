#include "inference/backend.h"

#include <algorithm>
#include <system_error>

#include "inference/adapter/low_rank.h"
#include "inference/cpu/backend.h"

namespace weft::inference {
namespace {

constexpr std::string_view kKeptSuffix = ".packed";

}  // namespace

std::size_t first_position(std::span<const Slice> slices, std::size_t i) noexcept {
  std::size_t forked = 0;
  for (; slices[i].fork; i = slices[i].fork->slice) forked += slices[i].fork->tokens;
  return slices[i].cache->length() + forked;
}

Result<std::unique_ptr<const AdapterWeights>> Weights::load_adapter(
    std::span<const LowRank>) const {
  return Error{ErrorCode::kUnsupported, "this backend computes with no adapters"};
}

Result<std::filesystem::path> Weights::keep(const LoadOptions&) const {
  return Error{ErrorCode::kUnsupported, "this backend keeps no weights on disk"};
}

Result<void> StepRunner::sparse_logits(std::size_t i, std::span<const std::uint64_t>,
                                       std::span<float> out) {
  return logits(i, 1, out);
}

Result<void> StepRunner::hidden(std::size_t, std::span<float>) {
  return Error{ErrorCode::kUnsupported,
               "this backend doesn't give hidden states, so a request can't have head rows here"};
}

Result<std::vector<std::filesystem::path>> kept_weights(const std::filesystem::path& model) {
  const std::string stem = model.stem().string() + ".";
  const auto folder = model.has_parent_path() ? model.parent_path() : std::filesystem::path(".");
  std::vector<std::filesystem::path> found;
  std::error_code failed;
  std::filesystem::directory_iterator it(folder, failed);
  for (const std::filesystem::directory_iterator end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(stem) || !name.ends_with(kKeptSuffix)) continue;
    if (name.size() < stem.size() + kKeptSuffix.size()) continue;
    const auto level =
        std::string_view(name).substr(stem.size(), name.size() - stem.size() - kKeptSuffix.size());
    // One with a dot is of another model.
    if (level.find('.') == std::string_view::npos) found.push_back(it->path());
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    return Error{ErrorCode::kIo, "cannot list " + folder.string() + ": " + failed.message()};
  }
  std::ranges::sort(found);
  return found;
}

std::string_view to_string(KvType type) noexcept { return type == KvType::kQ8_0 ? "q8_0" : "f16"; }

Result<std::shared_ptr<const Backend>> open_backend(const BackendOptions& options) {
  WEFT_TRY(level, cpu::choose_level(options.cpu_level));
  return cpu::make_backend(level, std::make_shared<cpu::ThreadPool>(options.threads), options.kv);
}

}  // namespace weft::inference
