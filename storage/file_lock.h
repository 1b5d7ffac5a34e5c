#pragma once
// An advisory lock that one process holds and the kernel gives back when that process ends, however
// it ends. SQLite orders single commits; this keeps two long writers apart. flock(2).

#include <filesystem>

#include "base/result.h"

namespace weft::storage {

class FileLock {
 public:
  /// Locks the file at `path`, made if need be and never deleted (two processes could otherwise
  /// lock two files of one name). Doesn't wait.
  /// Errors: kConflict if somebody holds it, naming the process id it wrote there; kIo.
  static Result<FileLock> acquire(const std::filesystem::path& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) noexcept : descriptor_(descriptor) {}

  int descriptor_;  // -1 when moved from
};

}  // namespace weft::storage
