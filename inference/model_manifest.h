#pragma once
// NAME.json beside a model: where it came from and what its bytes must be. Private to the store.

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/model_store.h"

namespace weft::inference {

struct ModelManifest {
  ModelEntry entry;  // without path, present and known, which depend on the machine
  std::vector<CatalogFile> files;
};

/// Errors: kInvalidArgument unless it can be a file's name that leads nowhere else.
Result<void> check_model_name(std::string_view name);

/// A file of a model: a plain name, or one in a folder of the model's own
/// ("1_Pooling/config.json"). Errors: kInvalidArgument for what could lead elsewhere.
Result<void> check_file_name(std::string_view name);

/// Nothing if there is none, or it is broken.
std::optional<ModelManifest> read_manifest(const std::filesystem::path& path);

/// Errors: kIo.
Result<void> write_manifest(const std::filesystem::path& path, const ModelManifest& manifest);

}  // namespace weft::inference
