#include "inference/model_manifest.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/atomic_file.h"

namespace weft::inference {
namespace {

constexpr std::size_t kNameBytesMax = 128;
constexpr std::size_t kManifestBytesMax = std::size_t{1} << 20;

nlohmann::ordered_json to_json(const ModelEntry& entry, const std::vector<CatalogFile>& files) {
  nlohmann::ordered_json listed = nlohmann::ordered_json::array();
  for (const CatalogFile& file : files) {
    listed.push_back(
        {{"name", file.name}, {"size_bytes", file.size_bytes}, {"sha256", file.sha256}});
  }
  return {{"name", entry.name},
          {"source", entry.source},
          {"files", listed},
          {"licence", entry.licence},
          {"licence_url", entry.licence_url},
          {"pulled_at", entry.pulled_at}};
}

}  // namespace

Result<void> check_model_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
      std::ranges::all_of(name, plain)) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument,
               "\"" + std::string(name) +
                   "\" is no name for a model: up to 128 letters, digits, '.', '_' and '-', not "
                   "beginning with '.'"};
}

Result<void> check_file_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return check_model_name(name);
  WEFT_TRY_VOID(check_model_name(name.substr(0, slash)));
  return check_model_name(name.substr(slash + 1));
}

std::optional<ModelManifest> read_manifest(const std::filesystem::path& path) {
  std::string text(kManifestBytesMax, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  try {
    const auto json = nlohmann::json::parse(text);
    ModelManifest manifest;
    manifest.entry.name = json.at("name");
    manifest.entry.source = json.at("source");
    manifest.entry.licence = json.at("licence");
    manifest.entry.licence_url = json.at("licence_url");
    manifest.entry.pulled_at = json.at("pulled_at");
    for (const auto& listed : json.at("files")) {
      CatalogFile entry_file{listed.at("name"), listed.at("size_bytes"), listed.at("sha256")};
      // A file name leads to no other place than the model's own.
      if (!check_file_name(entry_file.name)) return std::nullopt;
      manifest.entry.size_bytes += entry_file.size_bytes;
      manifest.files.push_back(std::move(entry_file));
    }
    if (manifest.files.empty()) return std::nullopt;
    manifest.entry.sha256 = manifest.files.front().sha256;
    return manifest;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

Result<void> write_manifest(const std::filesystem::path& path, const ModelManifest& manifest) {
  // A source may be a path with any bytes.
  const std::string text = to_json(manifest.entry, manifest.files)
                               .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  return write_file_atomically(path, text);
}

}  // namespace weft::inference
