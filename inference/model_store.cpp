#include "inference/model_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/guard.h"
#include "base/nearest.h"
#include "base/sha256.h"
#include "inference/backend.h"
#include "inference/model_manifest.h"
#include "inference/model_pull.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".gguf";

Result<std::uint64_t> free_bytes_of(const fs::path& path) {
  std::error_code error;
  const fs::space_info space = fs::space(path, error);
  if (error) {
    return Error{ErrorCode::kIo,
                 "cannot read the free space at " + path.string() + ": " + error.message()};
  }
  return space.available;
}

std::string name_of_file(const fs::path& file) {
  std::string name = file.filename().string();
  if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  return name;
}

Result<void> make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return Error{ErrorCode::kIo, "cannot make " + path.string() + ": " + error.message()};
  }
  return {};
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    return Error{ErrorCode::kIo, "cannot remove " + path.string() + ": " + error.message()};
  }
  return {};
}

/// One pull or removal of a model at a time, among all processes. The file stays: removing a lock
/// file lets two hold it.
class Lock {
 public:
  static Result<Lock> take(const fs::path& path, const std::string& model) {
    Lock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (lock.descriptor_ < 0) return errno_error("open", path);
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK) return errno_error("lock", path);
    return Error{ErrorCode::kConflict,
                 "another pull or removal of " + model + " is running; wait until it ends"};
  }
  Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  explicit Lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

std::string source_of(const fs::path& file) {
  std::error_code ignored;
  return "file:" + fs::absolute(file, ignored).lexically_normal().string();
}

/// Empties the work directory unless what it holds is of this source.
Result<void> prepare_work(const fs::path& work, const std::string& source) {
  const fs::path mark = work / "source";
  std::string held;
  std::ifstream file(mark);
  std::getline(file, held);
  if (held == source) return {};
  WEFT_TRY_VOID(remove_tree(work));
  WEFT_TRY_VOID(make_directories(work));
  return write_file_atomically(mark, source + "\n");
}

ModelEntry entry_of(const CatalogModel& model, const fs::path& directory) {
  ModelEntry entry;
  entry.name = model.name;
  entry.path = directory / (model.is_folder ? model.name : model.files.front().name);
  entry.known = true;
  const CatalogPackage& first = model.packages.front();
  entry.source = "pypi:" + first.name + "==" + first.version;
  if (model.packages.size() > 1) {
    entry.source += " and " + std::to_string(model.packages.size() - 1) + " more";
  }
  entry.sha256 = model.files.front().sha256;
  entry.size_bytes = model.size_bytes();
  entry.licence = model.licence;
  entry.licence_url = model.licence_url;
  return entry;
}

Result<std::string> hash(const fs::path& file, const PullOptions& options) {
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    if (options.on_progress) options.on_progress(PullPhase::kCheck, done, total);
  };
  return sha256_file(file, progress, options.stop);
}

Result<void> check_file(const fs::path& path, const CatalogFile& wanted,
                        const PullOptions& options) {
  WEFT_TRY(found, hash(path, options));
  if (found == wanted.sha256) return {};
  return Error{ErrorCode::kCorrupt, "the SHA-256 of " + wanted.name + " is " + found +
                                        ", it should be " + wanted.sha256};
}

}  // namespace

std::string_view to_string(PullPhase phase) noexcept {
  switch (phase) {
    case PullPhase::kDownload:
      return "download";
    case PullPhase::kUnpack:
      return "unpack";
    case PullPhase::kCopy:
      return "copy";
    case PullPhase::kCheck:
      return "check";
  }
  return "unknown";
}

ModelStore::ModelStore(const Clock& clock, net::HttpClient& http, PackageSource& packages,
                       Options options)
    : clock_(clock), http_(http), packages_(packages), options_(std::move(options)) {
  if (!options_.free_bytes) options_.free_bytes = free_bytes_of;
}

const CatalogModel* ModelStore::find_known(std::string_view name) const {
  const auto found = std::ranges::find(options_.catalog, name, &CatalogModel::name);
  return found == options_.catalog.end() ? nullptr : &*found;
}

fs::path ModelStore::manifest_path(std::string_view name) const {
  return options_.directory / (std::string(name) + ".json");
}

fs::path ModelStore::work_directory(std::string_view name) const {
  return options_.directory / ".pull" / name;
}

std::optional<ModelEntry> ModelStore::read_entry(std::string_view name) const {
  const auto manifest = read_manifest(manifest_path(name));
  if (!manifest || manifest->entry.name != name) return std::nullopt;
  // One that an older release pulled, without files that are needed today, isn't whole.
  const CatalogModel* known = find_known(name);
  if (known != nullptr && manifest->entry.source == entry_of(*known, options_.directory).source &&
      manifest->files.size() < known->files.size()) {
    return std::nullopt;
  }
  ModelEntry entry = manifest->entry;
  const bool folder = fs::is_directory(options_.directory / name);
  entry.path = options_.directory / (folder ? entry.name : manifest->files.front().name);
  for (const CatalogFile& file : manifest->files) {
    std::error_code error;
    const auto size = fs::file_size(folder ? entry.path / file.name : entry.path, error);
    if (error || size != file.size_bytes) return std::nullopt;
  }
  entry.present = true;
  entry.known = known != nullptr;
  return entry;
}

Error ModelStore::unknown_model(const std::string& name) const {
  std::vector<std::string> names;
  std::string known;
  for (const CatalogModel& model : options_.catalog) {
    names.push_back(model.name);
    known += (known.empty() ? "" : ", ") + model.name;
  }
  if (const auto listed = list()) {
    for (const ModelEntry& entry : *listed) names.push_back(entry.name);
  }
  const auto close = nearest(name, names);
  return Error{
      ErrorCode::kNotFound,
      "no model \"" + name + "\"" +
          (close ? "; did you mean " + *close + "? (weft model pull " + *close + ")" : "") +
          "; known are " + known + "; others: weft model pull PATH or hf:OWNER/REPO/FILE"};
}

Result<ModelEntry> ModelStore::pull(const std::string& source, const PullOptions& options) {
  // The caller's on_progress may throw: what is half done then stays in the work directory.
  return guarded([&]() -> Result<ModelEntry> {
    if (const CatalogModel* known = find_known(source)) return pull_known(*known, options);
    if (source.starts_with("hf:")) return pull_from_hub(source, options);
    std::error_code ignored;
    if (fs::exists(source, ignored) || source.find('/') != std::string::npos ||
        source.ends_with(kSuffix)) {
      return pull_from_file(source, options);
    }
    return unknown_model(source);
  });
}

Result<ModelEntry> ModelStore::pull_known(const CatalogModel& model, const PullOptions& options) {
  ModelEntry entry = entry_of(model, options_.directory);
  const auto fill = [&](const PullJob& job) -> Result<std::vector<CatalogFile>> {
    if (options.offline) {
      return Error{ErrorCode::kPermissionDenied,
                   "offline: " + model.name +
                       " isn't here and comes from the network; pull it without --offline, or "
                       "fetch it on another machine and run: weft model pull PATH"};
    }
    WEFT_TRY_VOID(pull_packages(model, packages_, job));
    return model.files;
  };
  return install(std::move(entry), fill, options, model.is_folder);
}

Result<ModelEntry> ModelStore::pull_from_hub(const std::string& source,
                                             const PullOptions& options) {
  WEFT_TRY(hub_file, parse_hub_source(source));
  ModelEntry entry;
  entry.name = options.name.empty() ? name_of_file(hub_file.file) : options.name;
  entry.source = source;
  const auto fill = [&](const PullJob& job) -> Result<std::vector<CatalogFile>> {
    if (options.offline) {
      return Error{ErrorCode::kPermissionDenied,
                   "offline: " + source +
                       " isn't here and comes from the network; pull it without "
                       "--offline, or give a file: weft model pull PATH"};
    }
    const std::string name = entry.name + std::string(kSuffix);
    WEFT_TRY(digest, pull_hub_file(hub_file, options_.hub_url, name, http_, job));
    return std::vector<CatalogFile>{{name, 0, digest}};
  };
  return install(entry, fill, options, false);
}

Result<ModelEntry> ModelStore::pull_from_file(const std::string& source,
                                              const PullOptions& options) {
  std::error_code error;
  fs::path path = fs::absolute(source, error);
  if (error || !fs::exists(path, error)) {
    return Error{ErrorCode::kNotFound, "there is no file " + source};
  }
  path = path.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  ModelEntry entry;
  entry.name = options.name.empty() ? name_of_file(path) : options.name;
  entry.source = source_of(path);
  const bool is_folder = fs::is_directory(path, error);
  const auto fill = [&](const PullJob& job) -> Result<std::vector<CatalogFile>> {
    std::vector<CatalogFile> files;
    if (is_folder) {
      WEFT_TRY(copied, pull_local_folder(path, job));
      for (std::string& name : copied) files.push_back({std::move(name), 0, ""});
      return files;
    }
    const std::string name = entry.name + std::string(kSuffix);
    WEFT_TRY_VOID(pull_local_file(path, name, job));
    files.push_back({name, 0, ""});
    return files;
  };
  return install(entry, fill, options, is_folder);
}

Result<ModelEntry> ModelStore::make(const std::string& name, const std::string& source,
                                    const std::function<Result<void>(const fs::path&)>& write,
                                    const PullOptions& options) {
  return guarded([&]() -> Result<ModelEntry> {
    if (const auto present = read_entry(name)) {
      return Error{ErrorCode::kAlreadyExists, "a model " + name + " from " + present->source +
                                                  " is here already; remove it first (weft model "
                                                  "rm " +
                                                  name + "), or choose another name"};
    }
    ModelEntry entry;
    entry.name = name;
    entry.source = source;
    const auto fill = [&](const PullJob& job) -> Result<std::vector<CatalogFile>> {
      const std::string file = name + std::string(kSuffix);
      WEFT_TRY(path, part_path(job, file));
      WEFT_TRY_VOID(write(path));
      return std::vector<CatalogFile>{{file, 0, ""}};
    };
    return install(std::move(entry), fill, options, false);
  });
}

Result<ModelEntry> ModelStore::install(ModelEntry entry, const Fill& fill,
                                       const PullOptions& options, bool as_folder) {
  WEFT_TRY_VOID(check_model_name(entry.name));
  if (auto present = read_entry(entry.name)) {
    if (present->source == entry.source) return *std::move(present);
    return Error{ErrorCode::kAlreadyExists,
                 "a model " + entry.name + " from " + present->source +
                     " is here already; remove it first (weft model rm " + entry.name +
                     "), or pull under another name (--name)"};
  }
  const fs::path work = work_directory(entry.name);
  WEFT_TRY_VOID(make_directories(work));
  WEFT_TRY(lock, Lock::take(work.string() + ".lock", entry.name));
  // Somebody may have pulled it while the lock was his.
  if (auto present = read_entry(entry.name)) return *std::move(present);
  WEFT_TRY_VOID(check_target(entry, as_folder));
  WEFT_TRY_VOID(prepare_work(work, entry.source));
  const PullJob job{.work = work, .options = options, .free_bytes = options_.free_bytes};
  WEFT_TRY(files, fill(job));
  const Result<void> checked = check_files(files, work, options, as_folder);
  if (!checked) {
    if (checked.error().code != ErrorCode::kCorrupt) return checked.error();
    WEFT_TRY_VOID(remove_tree(work));
    return Error{ErrorCode::kCorrupt,
                 checked.error().message +
                     "; what was downloaded is deleted: pull again, and if that doesn't help, the "
                     "source has other bytes than it should"};
  }
  if (options.stop.stop_requested()) {
    return Error{ErrorCode::kCancelled, "the pull of " + entry.name + " was cancelled"};
  }
  return publish(std::move(entry), files, as_folder);
}

Result<void> ModelStore::check_target(const ModelEntry& entry, bool as_folder) const {
  const fs::path target =
      options_.directory / (as_folder ? entry.name : entry.name + std::string(kSuffix));
  std::error_code ignored;
  const bool ours = read_manifest(manifest_path(entry.name)).has_value();
  if (ours || !fs::exists(target, ignored) || entry.source == source_of(target)) return {};
  return Error{ErrorCode::kAlreadyExists,
               target.string() +
                   " is in the way, and wasn't pulled; move it, or take it into the store with: "
                   "weft model pull " +
                   target.string()};
}

Result<void> ModelStore::check_files(std::vector<CatalogFile>& files, const fs::path& work,
                                     const PullOptions& options, bool as_folder) const {
  for (CatalogFile& file : files) {
    const fs::path path = work / file.name;
    std::error_code error;
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) return Error{ErrorCode::kIo, "cannot examine " + path.string()};
    file.size_bytes = size;
    if (file.sha256.empty()) {
      WEFT_TRY(digest, hash(path, options));
      file.sha256 = digest;
    } else {
      WEFT_TRY_VOID(check_file(path, file, options));
    }
    if (!as_folder) WEFT_TRY_VOID(check_is_gguf(path));
  }
  return {};
}

Result<ModelEntry> ModelStore::publish(ModelEntry entry, const std::vector<CatalogFile>& files,
                                       bool as_folder) {
  const fs::path work = work_directory(entry.name);
  // The manifest comes first: it counts for nothing without the files, which then appear at once.
  entry.pulled_at = to_rfc3339(clock_.unix_now());
  WEFT_TRY_VOID(write_manifest(manifest_path(entry.name), {entry, files}));
  if (as_folder) {
    const fs::path folder = work / "folder";
    WEFT_TRY_VOID(make_directories(folder));
    for (const CatalogFile& file : files) {
      WEFT_TRY_VOID(make_directories((folder / file.name).parent_path()));
      WEFT_TRY_VOID(publish_file(work / file.name, folder / file.name));
    }
    // Only a damaged model can lie there, and rename() wants it gone.
    WEFT_TRY_VOID(remove_tree(options_.directory / entry.name));
    std::error_code error;
    fs::rename(folder, options_.directory / entry.name, error);
    if (error) return Error{ErrorCode::kIo, "cannot publish " + folder.string()};
    WEFT_TRY_VOID(sync_directory(options_.directory));
  } else {
    const std::string& file = files.front().name;
    WEFT_TRY_VOID(publish_file(work / file, options_.directory / file));
  }
  WEFT_TRY_VOID(remove_tree(work));
  auto present = read_entry(entry.name);
  if (!present) {
    return Error{ErrorCode::kConflict, "model " + entry.name + " was changed while it was pulled"};
  }
  return *std::move(present);
}

Result<std::vector<ModelEntry>> ModelStore::list() const {
  std::map<std::string, ModelEntry> entries;
  for (const CatalogModel& model : options_.catalog) {
    entries[model.name] = entry_of(model, options_.directory);
  }
  std::error_code error;
  fs::directory_iterator it(options_.directory, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    if (auto entry = read_entry(it->path().stem().string())) {
      entries[entry->name] = *std::move(entry);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Error{ErrorCode::kIo,
                 "cannot list " + options_.directory.string() + ": " + error.message()};
  }
  std::vector<ModelEntry> listed;
  for (auto& [name, entry] : entries) listed.push_back(std::move(entry));
  return listed;
}

Result<fs::path> ModelStore::path_of(const std::string& name_or_path) const {
  if (check_model_name(name_or_path)) {
    if (const auto entry = read_entry(name_or_path)) return entry->path;
  }
  std::error_code ignored;
  if (!name_or_path.empty() && fs::exists(name_or_path, ignored)) return fs::path(name_or_path);
  if (find_known(name_or_path) != nullptr) {
    return Error{ErrorCode::kNotFound, "model " + name_or_path + " isn't here yet; get it with: " +
                                           "weft model pull " + name_or_path};
  }
  if (name_or_path.find('/') != std::string::npos) {
    return Error{ErrorCode::kNotFound, "there is no file " + name_or_path};
  }
  return unknown_model(name_or_path);
}

Result<void> ModelStore::verify(const std::string& name, const PullOptions& options) const {
  if (!check_model_name(name)) return unknown_model(name);
  const auto manifest = read_manifest(manifest_path(name));
  if (!manifest) {
    WEFT_TRY(path, path_of(name));
    return Error{ErrorCode::kNotFound,
                 path.string() + " is no model of the store: there is no digest to check against"};
  }
  const fs::path folder = options_.directory / name;
  std::error_code ignored;
  const bool is_folder = fs::is_directory(folder, ignored);
  for (const CatalogFile& file : manifest->files) {
    const fs::path path = (is_folder ? folder : options_.directory) / file.name;
    const Result<void> checked = check_file(path, file, options);
    if (!checked && (checked.error().code == ErrorCode::kCorrupt ||
                     checked.error().code == ErrorCode::kNotFound)) {
      return Error{ErrorCode::kCorrupt, checked.error().message + "; get it again: weft model rm " +
                                            name + ", then weft model pull " + name};
    }
    WEFT_TRY_VOID(checked);
  }
  return {};
}

Result<void> ModelStore::remove(const std::string& name) {
  if (!check_model_name(name)) return unknown_model(name);
  const fs::path work = work_directory(name);
  const fs::path manifest = manifest_path(name);
  const fs::path file = options_.directory / (name + std::string(kSuffix));
  const fs::path folder = options_.directory / name;
  std::error_code ignored;
  const bool any = fs::exists(manifest, ignored) || fs::exists(file, ignored) ||
                   fs::is_directory(folder, ignored) || fs::exists(work, ignored);
  if (!any) {
    if (find_known(name) == nullptr) return unknown_model(name);
    return Error{ErrorCode::kNotFound, "model " + name + " isn't here"};
  }
  WEFT_TRY_VOID(make_directories(work));
  WEFT_TRY(lock, Lock::take(work.string() + ".lock", name));
  // The manifest goes last: without it the rest would look like somebody else's.
  WEFT_TRY(kept, kept_weights(file));
  for (const fs::path& path : kept) WEFT_TRY_VOID(remove_tree(path));
  for (const fs::path& path : {work, file, folder, manifest}) WEFT_TRY_VOID(remove_tree(path));
  return sync_directory(options_.directory);
}

}  // namespace weft::inference
