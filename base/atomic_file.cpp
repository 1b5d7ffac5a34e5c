#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace weft {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  /// False if close() reported an error that a write had postponed.
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// mkstemp would make the file 0600; open() obeys the umask.
Result<void> write_new_file(const std::filesystem::path& path, std::string_view bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.valid()) return errno_error("create", path);
  if (!write_all(file.get(), bytes)) return errno_error("write", path);
  if (::fsync(file.get()) != 0) return errno_error("sync", path);
  if (!file.close()) return errno_error("close", path);
  return {};
}

Result<void> rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("rename to", to);
  WEFT_TRY_VOID(sync_directory(directory_of(to)));
  if (directory_of(from) != directory_of(to)) return sync_directory(directory_of(from));
  return {};
}

}  // namespace

Error errno_error(std::string_view what, const std::filesystem::path& path) {
  const int cause = errno;
  ErrorCode code = ErrorCode::kIo;
  if (cause == ENOENT) code = ErrorCode::kNotFound;
  if (cause == EEXIST) code = ErrorCode::kAlreadyExists;
  if (cause == EACCES || cause == EPERM) code = ErrorCode::kPermissionDenied;
  return Error{code,
               "cannot " + std::string(what) + " " + path.string() + ": " + std::strerror(cause)};
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  constexpr int kTries = 16;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    std::filesystem::path temporary = path;
    temporary += ".tmp" + std::to_string(::getpid()) + "-" + std::to_string(attempt);
    const Result<void> written = write_new_file(temporary, bytes);
    if (!written) {
      if (written.error().code == ErrorCode::kAlreadyExists) continue;
      ::unlink(temporary.c_str());
      return written.error();
    }
    const Result<void> renamed = rename_durably(temporary, path);
    if (!renamed) ::unlink(temporary.c_str());
    return renamed;
  }
  return Error{ErrorCode::kConflict, "too many temporary files beside " + path.string() +
                                         "; remove " + path.filename().string() + ".tmp*"};
}

Result<void> publish_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  {
    const Descriptor file(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return errno_error("open", from);
    if (::fsync(file.get()) != 0) return errno_error("sync", from);
  }
  return rename_durably(from, to);
}

Result<void> sync_directory(const std::filesystem::path& directory) {
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid()) return errno_error("open", directory);
  if (::fsync(opened.get()) != 0) return errno_error("sync", directory);
  return {};
}

}  // namespace weft
