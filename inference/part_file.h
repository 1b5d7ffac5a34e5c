#pragma once
// A file that grows by appending, in more than one run: what a download has so far.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

#include "base/result.h"

namespace weft::inference {

class PartFile {
 public:
  /// Opens or makes the file and cuts it to `keep_bytes`, or to nothing if it is shorter.
  static Result<PartFile> open(const std::filesystem::path& path, std::uint64_t keep_bytes);
  /// Opens or makes the file and goes on at its end.
  static Result<PartFile> open_as_is(const std::filesystem::path& path);
  PartFile(PartFile&& other) noexcept
      : path_(std::move(other.path_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        size_(other.size_) {}
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();

  /// Errors: kResourceExhausted if the disk is full, which says what to do; kIo.
  Result<void> append(std::span<const std::byte> bytes);
  /// Cuts it to nothing. Errors: kIo.
  Result<void> restart();
  /// Makes what was appended durable. Errors: as append().
  Result<void> sync();
  std::uint64_t size() const noexcept { return size_; }

 private:
  PartFile(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}
  Error failure(const char* what) const;
  Result<void> cut_to(std::uint64_t bytes);

  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

}  // namespace weft::inference
