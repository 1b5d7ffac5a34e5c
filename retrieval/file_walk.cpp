#include "retrieval/file_walk.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "base/utf8.h"

namespace weft::retrieval {
namespace {

namespace fs = std::filesystem;

constexpr auto kJunkFolders =
    std::to_array<std::string_view>({"__pycache__", "CMakeFiles", "node_modules"});

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return extension;
}

struct Folder {
  std::string source;  // relative to the root; "" for the root itself
  int depth;
};

class Walk {
 public:
  Walk(FileList& list, const std::vector<std::string>& extensions)
      : list_(list), extensions_(extensions) {}

  Result<void> run() {
    folders_.push_back({"", 0});
    while (!folders_.empty()) {
      const Folder folder = std::move(folders_.back());
      folders_.pop_back();
      std::error_code error;
      fs::directory_iterator entry(list_.root / folder.source, error);
      for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        visit(folder, *entry);
        if (list_.sources.size() + list_.skipped.size() + folders_.size() > kFilesMax) {
          return Error{ErrorCode::kResourceExhausted, list_.root.string() + " holds more than " +
                                                          std::to_string(kFilesMax) +
                                                          " files; index its folders one by one"};
        }
      }
      if (!error) continue;
      if (folder.depth == 0) {
        return Error{ErrorCode::kIo, "cannot list " + list_.root.string() + ": " + error.message()};
      }
      list_.skipped.push_back({folder.source, error.message(), true});
    }
    return {};
  }

 private:
  void visit(const Folder& folder, const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) return;
    const std::string source = folder.source.empty() ? name : folder.source + "/" + name;
    std::error_code error;
    const auto type = entry.symlink_status(error).type();
    const bool wanted = std::ranges::count(extensions_, lower_extension(name)) != 0;
    if (error) {
      list_.skipped.push_back({source, error.message(), true});
    } else if (type == fs::file_type::directory) {
      if (std::ranges::count(kJunkFolders, name) != 0) return;
      if (folder.depth == kFolderDepthMax) {
        list_.skipped.push_back({source, "nested too deeply", true});
      } else {
        folders_.push_back({source, folder.depth + 1});
      }
    } else if (type == fs::file_type::symlink) {
      if (wanted || fs::is_directory(entry.path(), error)) {
        list_.skipped.push_back({source, "a symbolic link; index what it points to"});
      }
    } else if (type == fs::file_type::regular && wanted) {
      // The name is shown and sent as JSON later on, which has no way to write other bytes.
      if (is_valid_utf8(name)) {
        list_.sources.push_back(source);
      } else {
        list_.skipped.push_back({repair_utf8(source), "its name isn't UTF-8; rename it"});
      }
    }
  }

  FileList& list_;
  const std::vector<std::string>& extensions_;
  std::vector<Folder> folders_;
};

}  // namespace

Result<FileList> list_files(const fs::path& directory, const std::vector<std::string>& extensions) {
  std::error_code error;
  FileList list;
  list.root = fs::canonical(directory, error);
  if (error) {
    return Error{ErrorCode::kNotFound,
                 "cannot open the folder \"" + directory.string() + "\": " + error.message()};
  }
  if (!fs::is_directory(list.root, error)) {
    return Error{ErrorCode::kInvalidArgument, directory.string() + " isn't a directory"};
  }
  if (!is_valid_utf8(list.root.string())) {
    return Error{ErrorCode::kInvalidArgument,
                 "the path " + repair_utf8(list.root.string()) + " isn't UTF-8; rename it"};
  }
  WEFT_TRY_VOID(Walk(list, extensions).run());
  std::ranges::sort(list.sources);
  std::ranges::sort(list.skipped, {}, &SkippedPath::source);
  return list;
}

}  // namespace weft::retrieval
