#include "inference/read_only_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace weft::inference {
namespace {

Error io_error(const std::string& action, int number) {
  const ErrorCode code = number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Error{code, action + ": " + std::generic_category().message(number)};
}

}  // namespace

Result<ReadOnlyFile> ReadOnlyFile::open(const std::filesystem::path& path) {
  // Not blocking, so that a named pipe in the model's place can't hang us.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return io_error("opening " + path.string(), errno);
  ReadOnlyFile file(fd, 0);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return io_error("examining " + path.string(), errno);
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kIo, path.string() + " isn't a file"};
  file.size_bytes_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

ReadOnlyFile::ReadOnlyFile(ReadOnlyFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), size_bytes_(other.size_bytes_) {}

ReadOnlyFile::~ReadOnlyFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> ReadOnlyFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("reading at byte " + std::to_string(offset), errno);
    if (got == 0) {
      return Error{ErrorCode::kIo, "the file shrank while it was open: it ends at or before byte " +
                                       std::to_string(offset)};
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

}  // namespace weft::inference
