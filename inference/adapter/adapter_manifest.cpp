#include "inference/adapter/adapter_manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.h"
#include "inference/adapter/json_file.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFingerprintDigits = 32;

bool is_fingerprint(const std::string& text) {
  return text.size() == kFingerprintDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

fs::path adapter_root(const fs::path& adapter) {
  if (adapter.filename() != "adapter_model.safetensors") return adapter;
  return adapter.has_parent_path() ? adapter.parent_path() : ".";
}

fs::path adapter_manifest_path(const fs::path& adapter) {
  const fs::path root = adapter_root(adapter);
  if (fs::is_directory(root)) return root / "adapter_manifest.json";
  return fs::path(root).concat(".manifest.json");
}

Result<AdapterManifest> read_adapter_manifest(const fs::path& adapter) {
  AdapterManifest manifest;
  WEFT_TRY(file, JsonFile::read_if_there(adapter_manifest_path(adapter)));
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
    if (!is_fingerprint(base)) {
      return file->wrong("bases", "holds '" + base + "': a fingerprint has 32 hex digits");
    }
  }
  manifest.bases = std::move(bases);
  WEFT_TRY(initial, file->string("initial", ""));
  manifest.initial = std::move(initial);
  return manifest;
}

Result<void> write_adapter_manifest(const fs::path& adapter, const AdapterManifest& manifest) {
  const auto wrong = std::ranges::find_if_not(manifest.bases, is_fingerprint);
  if (wrong != manifest.bases.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 "'" + *wrong + "' is no fingerprint of a model: it has 32 hex digits"};
  }
  nlohmann::ordered_json json = {{"bases", manifest.bases}};
  if (manifest.has_residual_base) json["residual_base"] = *manifest.has_residual_base;
  if (!manifest.initial.empty()) json["initial"] = manifest.initial;
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  return write_file_atomically(adapter_manifest_path(adapter),
                               json.dump(2, ' ', false, kReplace) + "\n");
}

}  // namespace weft::inference
