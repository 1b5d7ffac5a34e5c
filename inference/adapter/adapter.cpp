#include "inference/adapter/adapter.h"

#include <bit>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/sha256.h"
#include "inference/adapter/adapter_reader.h"
#include "inference/adapter/json_file.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFingerprintDigits = 32;

struct Manifest {
  std::vector<std::string> bases;
  std::optional<bool> has_residual_base;
  std::string initial;
};

fs::path manifest_path(const fs::path& adapter) {
  if (fs::is_directory(adapter)) return adapter / "adapter_manifest.json";
  return fs::path(adapter).concat(".manifest.json");
}

Result<Manifest> read_manifest(const fs::path& path) {
  Manifest manifest;
  WEFT_TRY(file, JsonFile::read_if_there(path));
  if (!file) return manifest;
  for (const std::string& key : file->keys()) {
    if (key != "bases" && key != "residual_base" && key != "initial") {
      return file->wrong(key, "isn't a key of an adapter's manifest");
    }
    if (key != "residual_base") continue;
    WEFT_TRY(has_residual, file->boolean(key, false));
    manifest.has_residual_base = has_residual;
  }
  WEFT_TRY(bases, file->strings("bases"));
  for (const std::string& base : bases) {
    if (base.size() != kFingerprintDigits ||
        base.find_first_not_of("0123456789abcdef") != std::string::npos) {
      return file->wrong("bases", "holds '" + base + "': a fingerprint has 32 hex digits");
    }
  }
  manifest.bases = std::move(bases);
  WEFT_TRY(initial, file->string("initial", ""));
  manifest.initial = std::move(initial);
  return manifest;
}

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
  WEFT_TRY(manifest, read_manifest(manifest_path(path)));
  WEFT_TRY(adapter, read_modules(path, config));
  adapter.source = path.string();
  adapter.bases = std::move(manifest.bases);
  adapter.has_residual_base = manifest.has_residual_base.value_or(adapter.has_residual_base);
  if (!manifest.initial.empty()) {
    const fs::path initial = manifest_path(path).parent_path() / manifest.initial;
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
  // The settings stand beside it.
  const bool is_in_folder = path.filename() == "adapter_model.safetensors";
  const fs::path whole = !is_in_folder ? path : path.has_parent_path() ? path.parent_path() : ".";
  auto adapter = read(whole, config);
  if (!adapter) return std::move(adapter).error().with_context("adapter " + path.string());
  return adapter;
}

}  // namespace weft::inference
