#pragma once
// A copy of a database that is in use. https://www.sqlite.org/backup.html

#include <filesystem>
#include <functional>
#include <stop_token>

#include "base/result.h"
#include "storage/database.h"

namespace weft::storage {

struct BackupOptions {
  bool overwrite = false;
  std::function<void(std::int64_t pages_done, std::int64_t pages)> on_progress;
  std::stop_token stop;
};

/// Writes one consistent version of `source` to `target` as a single file: copied beside it,
/// checked, synced and renamed, so that `target` is whole or untouched. Readers and writers go on
/// meanwhile. Errors: kAlreadyExists without `overwrite`; kInvalidArgument if `target` is the
/// database itself, a folder or in none; kIo; kCancelled; kCorrupt if the copy fails its check.
Result<void> backup(Database& source, const std::filesystem::path& target,
                    const BackupOptions& options = {});

}  // namespace weft::storage
