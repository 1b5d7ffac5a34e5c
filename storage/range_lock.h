#pragma once
// Who works on which record of a file, among processes: an advisory lock on one byte of it, that
// the kernel gives back when the process ends, however it ends. fcntl(2), F_OFD_SETLK.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/result.h"

namespace weft::storage {

/// One file of locks, for all threads of this process.
class RangeLocks : public std::enable_shared_from_this<RangeLocks> {
 public:
  /// Held until it is destroyed.
  class Held {
   public:
    Held(Held&& other) noexcept = default;
    Held& operator=(Held&&) = delete;
    ~Held();

   private:
    friend class RangeLocks;
    Held(std::shared_ptr<RangeLocks> locks, std::int64_t record)
        : locks_(std::move(locks)), record_(record) {}

    std::shared_ptr<RangeLocks> locks_;
    std::int64_t record_;
  };

  /// Opens the file at `path`, made if need be and never deleted. Errors: kIo.
  static Result<std::shared_ptr<RangeLocks>> open(const std::filesystem::path& path);
  ~RangeLocks();
  RangeLocks(const RangeLocks&) = delete;
  RangeLocks& operator=(const RangeLocks&) = delete;

  /// Doesn't wait. Errors: kConflict if it is held, here or by another process; kIo.
  Result<Held> acquire(std::int64_t record);

 private:
  explicit RangeLocks(int descriptor) : descriptor_(descriptor) {}
  bool set(std::int64_t record, short type);

  const int descriptor_;
  std::mutex mutex_;
  std::unordered_set<std::int64_t> held_;  // here: the kernel grants a process its own locks again
};

}  // namespace weft::storage
