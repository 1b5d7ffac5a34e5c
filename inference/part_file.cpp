#include "inference/part_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/atomic_file.h"

namespace weft::inference {

Result<PartFile> PartFile::open_as_is(const std::filesystem::path& path) {
  // O_NOFOLLOW: what lies in the work directory is ours, not a way to somewhere else.
  PartFile file(path, ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (file.descriptor_ < 0) return errno_error("open", path);
  const off_t size = ::lseek(file.descriptor_, 0, SEEK_END);
  if (size < 0) return file.failure("seek in");
  file.size_ = static_cast<std::uint64_t>(size);
  return file;
}

Result<PartFile> PartFile::open(const std::filesystem::path& path, std::uint64_t keep_bytes) {
  WEFT_TRY(file, open_as_is(path));
  WEFT_TRY_VOID(file.cut_to(file.size() < keep_bytes ? 0 : keep_bytes));
  return file;
}

PartFile::~PartFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Error PartFile::failure(const char* what) const {
  const int cause = errno;
  Error error = errno_error(what, path_);
  if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG) {
    error.code = ErrorCode::kResourceExhausted;
    error.message += "; free some space and pull again: what is finished is kept";
  }
  return error;
}

Result<void> PartFile::cut_to(std::uint64_t bytes) {
  const auto length = static_cast<off_t>(bytes);
  if (::ftruncate(descriptor_, length) != 0) return failure("truncate");
  if (::lseek(descriptor_, length, SEEK_SET) != length) return failure("seek in");
  size_ = bytes;
  return {};
}

Result<void> PartFile::restart() { return cut_to(0); }

Result<void> PartFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    size_ += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> PartFile::sync() {
  if (::fsync(descriptor_) != 0) return failure("sync");
  return {};
}

}  // namespace weft::inference
