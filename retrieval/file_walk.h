#pragma once
// Which files of a directory are to be indexed.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::retrieval {

inline constexpr std::size_t kFilesMax = 1'000'000;
inline constexpr int kFolderDepthMax = 64;

struct SkippedPath {
  std::string source;  // relative to the root
  std::string reason;
  bool is_folder = false;  // what lies below it wasn't looked at
};

struct FileList {
  std::filesystem::path root;        // absolute, without symbolic links
  std::vector<std::string> sources;  // relative to root, '/' between the parts, sorted
  std::vector<SkippedPath> skipped;  // what one may have wanted, sorted
};

/// Regular files below `directory` with one of `extensions` (lower case, with the dot; a file's
/// case doesn't matter). Hidden names and folders of build tools (node_modules, __pycache__) are
/// left out. Symbolic links below the root aren't followed: a loop, or a file outside of the root,
/// can't get in. Errors: kNotFound; kInvalidArgument if it is no directory; kResourceExhausted
/// above kFilesMax; kIo.
Result<FileList> list_files(const std::filesystem::path& directory,
                            const std::vector<std::string>& extensions);

}  // namespace weft::retrieval
