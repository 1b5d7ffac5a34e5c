#include "storage/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace weft::storage {
namespace {

// The id that the holder wrote, or "" if it hasn't yet.
std::string holder(int descriptor) {
  std::array<char, 16> text{};
  const auto count = ::pread(descriptor, text.data(), text.size(), 0);
  std::string digits(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  return digits.substr(0, digits.find_first_not_of("0123456789"));
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::filesystem::path& path) {
  FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (lock.descriptor_ < 0) {
    return Error{ErrorCode::kIo,
                 "cannot open the lock " + path.string() + ": " + std::strerror(errno) +
                     "; what writes needs a folder and files that this user may change"};
  }
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Error{ErrorCode::kIo, "cannot lock " + path.string() + ": " + std::strerror(errno)};
    }
    const std::string id = holder(lock.descriptor_);
    return Error{ErrorCode::kConflict,
                 "another process is writing" + (id.empty() ? "" : " (process " + id + ")") +
                     "; it holds " + path.string() + "; try again when it is done"};
  }
  // The id is for messages only, so a failure to write it (a full disk) is no reason to stop.
  const std::string id = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.descriptor_, 0) == 0) {
    [[maybe_unused]] const auto written = ::pwrite(lock.descriptor_, id.data(), id.size(), 0);
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace weft::storage
