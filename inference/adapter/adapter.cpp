#include "inference/adapter/adapter.h"

#include <algorithm>
#include <bit>
#include <span>
#include <system_error>
#include <utility>

#include "base/sha256.h"
#include "inference/adapter/adapter_manifest.h"
#include "inference/adapter/adapter_reader.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

Result<Adapter> read_modules(const fs::path& path, const ModelConfig& config) {
  auto read =
      fs::is_directory(path) ? read_peft_adapter(path, config) : read_gguf_adapter(path, config);
  if (!read) return read;
  if (read->modules.empty()) return Error{ErrorCode::kCorrupt, "it changes no layer"};
  for (const AdapterModule& module : read->modules) {
    if (std::isfinite(module.scale)) continue;
    return Error{ErrorCode::kCorrupt, "the scale of layer " + std::to_string(module.change.layer) +
                                          "'s " + std::string(to_string(module.change.linear)) +
                                          " isn't finite"};
  }
  return read;
}

std::string digest_of(const std::vector<AdapterModule>& modules) {
  Sha256 hash;
  for (const auto& [change, scale] : modules) {
    const std::uint64_t head[] = {change.layer, static_cast<std::uint64_t>(change.linear),
                                  change.rank, std::bit_cast<std::uint32_t>(scale)};
    hash.update(std::as_bytes(std::span(head)));
    hash.update(std::as_bytes(std::span(change.a)));
    hash.update(std::as_bytes(std::span(change.b)));
  }
  return hash.hex_digest();
}

Result<Adapter> read(const fs::path& path, const ModelConfig& config) {
  WEFT_TRY(manifest, read_adapter_manifest(path));
  WEFT_TRY(adapter, read_modules(path, config));
  adapter.source = path.string();
  adapter.bases = std::move(manifest.bases);
  adapter.has_residual_base = manifest.has_residual_base.value_or(adapter.has_residual_base);
  if (!manifest.initial.empty()) {
    const fs::path initial = adapter_manifest_path(path).parent_path() / manifest.initial;
    auto beginning = read_modules(initial, config);
    if (!beginning) {
      return std::move(beginning).error().with_context("initial adapter " + initial.string());
    }
    for (AdapterModule& module : beginning->modules) {
      module.scale = -module.scale;
      adapter.modules.push_back(std::move(module));
    }
    adapter.has_residual_base = false;
  }
  adapter.digest = digest_of(adapter.modules);
  return adapter;
}

}  // namespace

Result<Adapter> read_adapter(const fs::path& path, const ModelConfig& config) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return Error{ErrorCode::kNotFound, "adapter " + path.string() +
                                           ": no such file; an adapter is a GGUF file or a folder "
                                           "of adapter_config.json and adapter_model.safetensors"};
  }
  auto adapter = read(adapter_root(path), config);
  if (!adapter) return std::move(adapter).error().with_context("adapter " + path.string());
  return adapter;
}

Result<void> check_base(const Adapter& adapter, const std::string& fingerprint,
                        const fs::path& model) {
  if (std::ranges::find(adapter.bases, fingerprint) != adapter.bases.end()) return {};
  const std::string ask = "; attach it there, or allow another base if you know better";
  if (!adapter.bases.empty()) {
    return Error{ErrorCode::kInvalidArgument, "adapter " + adapter.source +
                                                  " was made for a model of fingerprint " +
                                                  adapter.bases.front() + ", but this one, " +
                                                  model.string() + ", has " + fingerprint + ask};
  }
  if (adapter.has_residual_base) {
    return Error{ErrorCode::kInvalidArgument,
                 "adapter " + adapter.source +
                     " was trained on a residual of its model's weights, and no manifest beside it "
                     "names the fingerprint of that residual (\"bases\"), or the adapter that was "
                     "subtracted (\"initial\"); on other weights it is noise" +
                     ask};
  }
  return {};
}

}  // namespace weft::inference
