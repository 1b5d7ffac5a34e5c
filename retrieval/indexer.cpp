#include "retrieval/indexer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <span>
#include <utility>

#include "base/sha256.h"
#include "retrieval/file_walk.h"

namespace weft::retrieval {
namespace {

namespace fs = std::filesystem;

Error system_error() { return {ErrorCode::kIo, std::strerror(errno)}; }

std::string too_large(std::uint64_t bytes_max) {
  return "larger than the limit of " + std::to_string(bytes_max) + " bytes";
}

// Reads to the end rather than to the size that stat gave: the file may be growing.
Result<std::string> read_all(int descriptor, std::uint64_t bytes_max) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return system_error();
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kInvalidArgument, "not a regular file"};
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > bytes_max) return Error{ErrorCode::kResourceExhausted, too_large(bytes_max)};
  constexpr std::size_t kPiece = 64 * 1024;
  std::string bytes;
  bytes.reserve(size + kPiece);
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kPiece);
    const auto count = ::read(descriptor, bytes.data() + before, kPiece);
    if (count < 0 && errno != EINTR) return system_error();
    bytes.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (count == 0) return bytes;
    if (bytes.size() > bytes_max) {
      return Error{ErrorCode::kResourceExhausted, too_large(bytes_max)};
    }
  }
}

Result<std::string> read_file(const fs::path& path, std::uint64_t bytes_max) {
  // The walk saw a regular file, but it may be a link or a pipe by now: follow none, wait for none.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return system_error();
  auto bytes = read_all(descriptor, bytes_max);
  ::close(descriptor);
  return bytes;
}

std::string hash_of(std::string_view bytes) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(bytes)));
  return hash.hex_digest();
}

class Run {
 public:
  Run(CollectionStore& store, const Reader& reader, const Chunker& chunker,
      const IndexOptions& options)
      : store_(store), reader_(reader), chunker_(chunker), options_(options) {}

  Result<IndexSummary> index(const FileList& files) {
    root_ = files.root;
    total_ = files.sources.size();
    WEFT_TRY(known, store_.documents(options_.collection, root_.string()));
    for (auto& info : known) known_.emplace(info.source, std::move(info));
    for (const auto& skipped : files.skipped) {
      emit({.outcome = IndexOutcome::kSkipped, .source = skipped.source, .reason = skipped.reason});
    }
    for (const auto& source : files.sources) {
      if (options_.stop.stop_requested()) {
        summary_.stopped = true;
        return summary_;  // what vanished isn't known before all was seen
      }
      ++position_;
      WEFT_TRY_VOID(index_file(source));
      known_.erase(source);
    }
    WEFT_TRY_VOID(report_vanished(files));
    return summary_;
  }

 private:
  Result<void> index_file(const std::string& source) {
    const auto bytes = read_file(root_ / source, options_.file_bytes_max);
    if (!bytes) return fail(source, 0, bytes.error().message);
    const auto known = known_.find(source);
    NewDocument document{.root = root_.string(),
                         .source = source,
                         .sha256 = hash_of(*bytes),
                         .reader_version = options_.reader_version};
    if (known != known_.end() && known->second.sha256 == document.sha256 &&
        known->second.reader_version == document.reader_version) {
      emit({.outcome = IndexOutcome::kUnchanged, .source = source, .bytes = bytes->size()});
      return {};
    }
    if (auto filled = fill(document, *bytes); !filled) {
      return fail(source, bytes->size(), filled.error().message);
    }
    const auto put = store_.put_document(options_.collection, document);
    if (!put && is_about_the_document(put.error())) {
      return fail(source, bytes->size(), put.error().message);
    }
    if (!put) return put.error().with_context(source);
    emit({.outcome = known == known_.end() ? IndexOutcome::kIndexed : IndexOutcome::kReplaced,
          .source = source,
          .bytes = bytes->size(),
          .passages = document.passages.size()});
    return {};
  }

  // Reader and chunker are handed in, so they may be anybody's: an exception is a failed file.
  Result<void> fill(NewDocument& document, std::string_view bytes) {
    try {
      WEFT_TRY(extracted, reader_(root_ / document.source, bytes));
      WEFT_TRY(passages, chunker_(extracted));
      document.passages = std::move(passages);
      document.extracted = std::move(extracted);
      return {};
    } catch (const std::exception& exception) {
      return Error{ErrorCode::kInternal, exception.what()};
    }
  }

  static bool is_about_the_document(const Error& error) {
    return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kResourceExhausted;
  }

  Result<void> fail(const std::string& source, std::uint64_t bytes, std::string reason) {
    emit({.outcome = IndexOutcome::kFailed,
          .source = source,
          .reason = std::move(reason),
          .bytes = bytes});
    return {};
  }

  Result<void> report_vanished(const FileList& files) {
    for (const auto& [source, info] : known_) {
      if (was_out_of_sight(files, source)) continue;
      if (options_.prune) WEFT_TRY_VOID(store_.remove_document(info.id));
      position_ = 0;
      emit({.outcome = options_.prune ? IndexOutcome::kPruned : IndexOutcome::kVanished,
            .source = source});
    }
    return {};
  }

  // A file in a folder that couldn't be listed may well be there still.
  static bool was_out_of_sight(const FileList& files, std::string_view source) {
    for (const auto& skipped : files.skipped) {
      if (source == skipped.source) return true;
      if (skipped.is_folder && source.starts_with(skipped.source + "/")) return true;
    }
    return false;
  }

  void emit(IndexEvent event) {
    event.position = position_;
    event.total = total_;
    count(event);
    if (options_.on_event) options_.on_event(event);
  }

  void count(const IndexEvent& event) {
    summary_.passages += event.passages;
    switch (event.outcome) {
      case IndexOutcome::kIndexed:
        ++summary_.indexed;
        summary_.bytes += event.bytes;
        break;
      case IndexOutcome::kReplaced:
        ++summary_.replaced;
        summary_.bytes += event.bytes;
        break;
      case IndexOutcome::kUnchanged:
        ++summary_.unchanged;
        break;
      case IndexOutcome::kFailed:
        ++summary_.failed;
        break;
      case IndexOutcome::kSkipped:
        ++summary_.skipped;
        break;
      case IndexOutcome::kVanished:
        ++summary_.vanished;
        break;
      case IndexOutcome::kPruned:
        ++summary_.pruned;
        break;
    }
  }

  CollectionStore& store_;
  const Reader& reader_;
  const Chunker& chunker_;
  const IndexOptions& options_;
  fs::path root_;
  std::map<std::string, DocumentInfo> known_;  // of this root, and not seen yet
  std::size_t position_ = 0;
  std::size_t total_ = 0;
  IndexSummary summary_;
};

}  // namespace

std::string_view to_string(IndexOutcome outcome) noexcept {
  switch (outcome) {
    case IndexOutcome::kIndexed:
      return "indexed";
    case IndexOutcome::kReplaced:
      return "replaced";
    case IndexOutcome::kUnchanged:
      return "unchanged";
    case IndexOutcome::kFailed:
      return "failed";
    case IndexOutcome::kSkipped:
      return "skipped";
    case IndexOutcome::kVanished:
      return "vanished";
    case IndexOutcome::kPruned:
      return "pruned";
  }
  return "unknown";
}

Result<IndexSummary> index_directory(CollectionStore& store, const fs::path& directory,
                                     const Reader& reader, const Chunker& chunker,
                                     const IndexOptions& options) {
  if (!reader || !chunker) {
    return Error{ErrorCode::kInvalidArgument, "indexing needs a reader and a chunker"};
  }
  // First, so that a mistyped directory leaves no empty collection behind.
  WEFT_TRY(files, list_files(directory, options.extensions));
  if (auto made = store.create_collection(options.collection);
      !made && made.error().code != ErrorCode::kAlreadyExists) {
    return std::move(made).error();
  }
  return Run(store, reader, chunker, options).index(files);
}

}  // namespace weft::retrieval
