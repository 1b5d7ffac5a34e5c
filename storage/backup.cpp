#include "storage/backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "storage/sqlite_error.h"

namespace weft::storage {
namespace {

namespace fs = std::filesystem;

constexpr int kPagesPerStep = 1024;  // 4 MiB between two looks at the stop token

struct FinishBackup {
  void operator()(sqlite3_backup* backup) const noexcept { sqlite3_backup_finish(backup); }
};

// The half-made copy, gone unless it was renamed.
struct Scratch {
  fs::path path;
  ~Scratch() {
    std::error_code ignored;
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
      fs::remove(path.string() + suffix, ignored);
    }
  }
};

Error system_error(const std::string& doing) {
  return {ErrorCode::kIo, doing + ": " + std::strerror(errno)};
}

Result<void> sync_path(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return system_error("cannot open " + path.string());
  const bool synced = ::fsync(descriptor) == 0;
  const auto error = system_error("cannot sync " + path.string());
  ::close(descriptor);
  if (!synced) return error;
  return {};
}

Result<void> copy_pages(Database& source, Database& copy, const BackupOptions& options) {
  // Without it a write by another process would start the copy over, perhaps for ever.
  WEFT_TRY(snapshot, Snapshot::begin(source));
  const std::unique_ptr<sqlite3_backup, FinishBackup> job(
      sqlite3_backup_init(copy.handle(), "main", source.handle(), "main"));
  if (job == nullptr) {
    return sqlite_error(sqlite3_extended_errcode(copy.handle()), copy.handle(), "cannot back up");
  }
  for (;;) {
    if (options.stop.stop_requested()) return Error{ErrorCode::kCancelled, "backup stopped"};
    const int code = sqlite3_backup_step(job.get(), kPagesPerStep);
    const auto total = sqlite3_backup_pagecount(job.get());
    if (options.on_progress) {
      options.on_progress(total - sqlite3_backup_remaining(job.get()), total);
    }
    if (code == SQLITE_DONE) return {};
    if (code != SQLITE_OK) {
      return sqlite_error(code, copy.handle(), "cannot back up to " + copy.path().string());
    }
  }
}

}  // namespace

Result<void> backup(Database& source, const fs::path& target, const BackupOptions& options) {
  std::error_code ignored;
  if (!options.overwrite && fs::exists(fs::symlink_status(target, ignored))) {
    return Error{ErrorCode::kAlreadyExists,
                 target.string() + " is already there; name another file"};
  }
  // The database would be replaced while its write-ahead log goes on.
  if (fs::equivalent(target, source.path(), ignored)) {
    return Error{ErrorCode::kInvalidArgument,
                 target.string() + " is the database itself; name another file"};
  }
  if (fs::is_directory(target, ignored)) {
    return Error{ErrorCode::kInvalidArgument, target.string() + " is a folder; name a file in it"};
  }
  const auto parent = target.parent_path();
  if (!parent.empty() && !fs::is_directory(parent, ignored)) {
    return Error{ErrorCode::kInvalidArgument,
                 "cannot write " + target.string() + ": there is no folder " + parent.string()};
  }
  const Scratch scratch{target.string() + ".part" + std::to_string(::getpid())};
  {
    WEFT_TRY(copy, Database::open(scratch.path, {.mode = Database::Mode::kCreate}));
    WEFT_TRY_VOID(copy_pages(source, copy, options));
    // A single file without a write-ahead log beside it, so that it can be moved anywhere.
    WEFT_TRY_VOID(copy.execute("PRAGMA journal_mode=DELETE"));
    WEFT_TRY_VOID(copy.check_integrity());
  }
  WEFT_TRY_VOID(sync_path(scratch.path));
  if (::rename(scratch.path.c_str(), target.c_str()) != 0) {
    return system_error("cannot rename the backup to " + target.string());
  }
  return sync_path(parent.empty() ? fs::path(".") : parent);
}

}  // namespace weft::storage
