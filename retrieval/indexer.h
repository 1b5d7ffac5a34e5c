#pragma once
// Brings a collection up to date with a directory: new and changed files go in, unchanged ones are
// left alone, vanished ones are reported.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "retrieval/collection_store.h"
#include "retrieval/document.h"

namespace weft::retrieval {

/// Makes text of a file's bytes. It may fail or throw: that file is listed with the reason.
using Reader =
    std::function<Result<Extracted>(const std::filesystem::path& path, std::string_view bytes)>;
using Chunker = std::function<Result<std::vector<Passage>>(const Extracted& extracted)>;

enum class IndexOutcome : std::uint8_t {
  kIndexed,   // new
  kReplaced,  // changed, or made by another reader version
  kUnchanged,
  kFailed,    // `reason` says why; what was indexed of it before stays
  kSkipped,   // not a file to read: `reason` says why
  kVanished,  // indexed before, and no longer in the directory
  kPruned,    // likewise, and removed from the collection
};

std::string_view to_string(IndexOutcome outcome) noexcept;

struct IndexEvent {
  IndexOutcome outcome = IndexOutcome::kFailed;
  std::string source;  // relative to the directory
  std::string reason;
  std::uint64_t bytes = 0;   // of the file
  std::size_t passages = 0;  // put in by this event
  std::size_t position = 0;  // 1 .. total; 0 for what isn't a file of the list
  std::size_t total = 0;
};

struct IndexOptions {
  std::string collection;      // made if it isn't there
  std::string reader_version;  // of reader and chunker: another one reads every file again
  std::vector<std::string> extensions = {".htm", ".html", ".markdown", ".md", ".pdf", ".txt"};
  std::uint64_t file_bytes_max = 64 * 1024 * 1024;
  bool prune = false;
  std::stop_token stop;  // looked at between files: what is in is whole
  std::function<void(const IndexEvent&)> on_event;
};

struct IndexSummary {
  std::size_t indexed = 0;
  std::size_t replaced = 0;
  std::size_t unchanged = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  std::size_t vanished = 0;
  std::size_t pruned = 0;
  std::size_t passages = 0;  // put in
  std::uint64_t bytes = 0;   // of the files that were put in
  bool stopped = false;

  bool operator==(const IndexSummary&) const = default;
};

/// A document is named by its directory (absolute, links resolved) and its path in it, so several
/// directories can share a collection, and only what vanished from this one counts as vanished.
/// A file that fails doesn't stop the rest. Errors, which do: the directory's (list_files), and
/// those of the store, such as a full disk; files finished before stay in.
Result<IndexSummary> index_directory(CollectionStore& store, const std::filesystem::path& directory,
                                     const Reader& reader, const Chunker& chunker,
                                     const IndexOptions& options);

}  // namespace weft::retrieval
