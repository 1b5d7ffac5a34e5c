#pragma once
// A file of known size that is written once, in order, beside its place, and appears there when it
// is whole; until then it goes away with this object.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "base/result.h"

namespace weft::inference {

using FreeBytesOf = std::function<Result<std::uint64_t>(const std::filesystem::path&)>;

class StreamedFile {
 public:
  struct Options {
    std::uint64_t size_bytes = 0;  // that the disk must have room for
    FreeBytesOf free_bytes;        // of the file system that holds a path; empty: the system's
  };

  /// Errors: kResourceExhausted if the disk can't hold it, before anything is written; kNotFound if
  /// the folder isn't there; kPermissionDenied, kIo.
  static Result<StreamedFile> create(const std::filesystem::path& path, const Options& options);

  StreamedFile(StreamedFile&& other) noexcept;
  StreamedFile& operator=(StreamedFile&&) = delete;
  ~StreamedFile();

  /// Errors: kResourceExhausted if the disk is full, kIo.
  Result<void> append(std::span<const std::byte> bytes);
  /// Replaces what is at the path. Errors: kIo.
  Result<void> publish();

 private:
  StreamedFile(std::filesystem::path path, std::filesystem::path temporary, int descriptor);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_;
};

}  // namespace weft::inference
