#pragma once
// The file beside a LoRA adapter that says which models it goes with; adapter.h has its form.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::inference {

struct AdapterManifest {
  std::vector<std::string> bases;         // fingerprints of models
  std::optional<bool> has_residual_base;  // nothing: as the adapter's own settings say
  std::string initial;                    // relative to the manifest; empty: none

  friend bool operator==(const AdapterManifest&, const AdapterManifest&) = default;
};

/// The folder of an adapter of PEFT's that was named by its safetensors file; else the path itself.
std::filesystem::path adapter_root(const std::filesystem::path& adapter);

/// Where an adapter's manifest is, or would be.
std::filesystem::path adapter_manifest_path(const std::filesystem::path& adapter);

/// Without a file: an empty one. Errors: kIo; kCorrupt for what is no manifest (the key is named).
Result<AdapterManifest> read_adapter_manifest(const std::filesystem::path& adapter);

/// Replaces it. Errors: kInvalidArgument for a base that is no fingerprint; kIo.
Result<void> write_adapter_manifest(const std::filesystem::path& adapter,
                                    const AdapterManifest& manifest);

}  // namespace weft::inference
