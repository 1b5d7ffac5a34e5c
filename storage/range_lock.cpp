#include "storage/range_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace weft::storage {

Result<std::shared_ptr<RangeLocks>> RangeLocks::open(const std::filesystem::path& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (descriptor < 0) {
    return Error{ErrorCode::kIo,
                 "cannot open the locks " + path.string() + ": " + std::strerror(errno) +
                     "; what writes needs a folder and files that this user may change"};
  }
  return std::shared_ptr<RangeLocks>(new RangeLocks(descriptor));
}

RangeLocks::~RangeLocks() { ::close(descriptor_); }

bool RangeLocks::set(std::int64_t record, short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = record;
  range.l_len = 1;
  return ::fcntl(descriptor_, F_OFD_SETLK, &range) == 0;
}

Result<RangeLocks::Held> RangeLocks::acquire(std::int64_t record) {
  const std::lock_guard guard(mutex_);
  const Error taken{ErrorCode::kConflict, "somebody else is working on it"};
  if (held_.contains(record)) return taken;
  if (!set(record, F_WRLCK)) {
    if (errno == EAGAIN || errno == EACCES) return taken;
    return Error{ErrorCode::kIo, std::string("cannot lock a record: ") + std::strerror(errno)};
  }
  held_.insert(record);
  return Held(shared_from_this(), record);
}

RangeLocks::Held::~Held() {
  if (locks_ == nullptr) return;
  const std::lock_guard guard(locks_->mutex_);
  locks_->held_.erase(record_);
  // Fails only for a descriptor that isn't one; the kernel then has no lock either.
  (void)locks_->set(record_, F_UNLCK);
}

}  // namespace weft::storage
