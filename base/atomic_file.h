#pragma once
// Files that are there whole or not at all, also after a power cut: write beside, sync, rename,
// sync the directory.

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace weft {

/// An Error of the system call that just set errno: kNotFound, kAlreadyExists,
/// kPermissionDenied, else kIo (a full disk says so); "cannot WHAT PATH: why".
Error errno_error(std::string_view what, const std::filesystem::path& path);

/// Replaces or makes the file at `path`, mode 0644 less the umask. A temporary file lies beside it
/// meanwhile, and is gone after a failure.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Brings a finished file to its final place in the same file system, replacing what is there:
/// syncs its bytes, renames, syncs the directory (both, if they differ).
Result<void> publish_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Makes renames, creations and removals in `directory` durable.
Result<void> sync_directory(const std::filesystem::path& directory);

}  // namespace weft
