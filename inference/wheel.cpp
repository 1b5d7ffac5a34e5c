#include "inference/wheel.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>

namespace weft::inference {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr int kMembersMax = 100'000;

struct FreeArchive {
  void operator()(archive* opened) const noexcept { archive_read_free(opened); }
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

Error broken(archive* opened, const std::filesystem::path& wheel) {
  const char* why = archive_error_string(opened);
  return Error{ErrorCode::kCorrupt, "the wheel " + wheel.filename().string() + " is broken: " +
                                        (why != nullptr ? why : "no reason given")};
}

Result<std::uint64_t> read_data(archive* opened, const std::filesystem::path& wheel,
                                const WheelMember& member, const ByteSink& sink,
                                const std::stop_token& stop) {
  std::uint64_t size = 0;
  while (true) {
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "unpacking was cancelled"};
    const void* data = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    const int code = archive_read_data_block(opened, &data, &length, &offset);
    if (code == ARCHIVE_EOF) return size;
    if (code != ARCHIVE_OK) return broken(opened, wheel);
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
  const ArchivePtr opened(archive_read_new());
  if (!opened) return Error{ErrorCode::kResourceExhausted, "no memory to open a wheel"};
  archive_read_support_format_zip(opened.get());
  if (archive_read_open_filename(opened.get(), wheel.c_str(), kReadBytes) != ARCHIVE_OK) {
    return broken(opened.get(), wheel);
  }
  for (int i = 0; i < kMembersMax; ++i) {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(opened.get(), &entry);
    if (code == ARCHIVE_EOF) break;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return broken(opened.get(), wheel);
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || !std::string_view(name).ends_with(member.name_end)) continue;
    return read_data(opened.get(), wheel, member, sink, stop);
  }
  return Error{ErrorCode::kCorrupt, "the wheel " + wheel.filename().string() +
                                        " has no member that ends with " +
                                        std::string(member.name_end)};
}

}  // namespace weft::inference
