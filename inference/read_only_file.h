#pragma once
// A regular file that is read by position: nothing is mapped, so a file that shrinks while it is
// open is an error, never a signal. What the readers of model files stand on.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace weft::inference {

/// Const members may run at once. Movable; closed when it goes.
class ReadOnlyFile {
 public:
  /// Errors: kNotFound; kIo, also for what isn't a regular file (a pipe is never waited for).
  static Result<ReadOnlyFile> open(const std::filesystem::path& path);

  ReadOnlyFile(ReadOnlyFile&& other) noexcept;
  ReadOnlyFile& operator=(ReadOnlyFile&&) = delete;
  ~ReadOnlyFile();

  std::uint64_t size_bytes() const noexcept { return size_bytes_; }  // when it was opened

  /// Fills `out` with the bytes from `offset` on. Errors: kIo, also if the file ends before.
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  ReadOnlyFile(int fd, std::uint64_t size_bytes) : fd_(fd), size_bytes_(size_bytes) {}

  int fd_;
  std::uint64_t size_bytes_;
};

}  // namespace weft::inference
