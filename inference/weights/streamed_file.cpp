#include "inference/weights/streamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMarginBytes = std::uint64_t{64} << 20;  // other programs write too

Result<std::uint64_t> free_bytes_of(const fs::path& path) {
  std::error_code error;
  const auto space = fs::space(path, error);
  if (error) {
    return Error{
        error == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kIo,
        "cannot write to " + path.string() + ": " + error.message()};
  }
  return space.available;
}

Result<void> check_space(const fs::path& directory, const StreamedFile::Options& options) {
  WEFT_TRY(free, options.free_bytes ? options.free_bytes(directory) : free_bytes_of(directory));
  if (free >= kMarginBytes && options.size_bytes <= free - kMarginBytes) return {};
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  return Error{ErrorCode::kResourceExhausted,
               "not enough disk space at " + directory.string() + ": " +
                   std::to_string(options.size_bytes / kMiB + kMarginBytes / kMiB) +
                   " MiB are needed, " + std::to_string(free / kMiB) +
                   " are free; free some, or write to another disk"};
}

}  // namespace

StreamedFile::StreamedFile(fs::path path, fs::path temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

StreamedFile::StreamedFile(StreamedFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

StreamedFile::~StreamedFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

Result<StreamedFile> StreamedFile::create(const fs::path& path, const Options& options) {
  WEFT_TRY_VOID(check_space(path.has_parent_path() ? path.parent_path() : ".", options));
  fs::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno_error("create", temporary);
  return StreamedFile(path, std::move(temporary), descriptor);
}

Result<void> StreamedFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
      Error error = errno_error("write", temporary_);
      if (is_full) {
        error.code = ErrorCode::kResourceExhausted;
        error.message += "; nothing of it is kept: free some space and start again";
      }
      return error;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> StreamedFile::publish() {
  WEFT_TRY_VOID(publish_file(temporary_, path_));
  ::close(std::exchange(descriptor_, -1));
  return {};
}

}  // namespace weft::inference
