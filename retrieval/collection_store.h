#pragma once
// Collections of documents and their passages, with a lexical index (BM25) over each, in one file
// weft.db. A document, its passages and its index entries change in one transaction: a reader, and
// whoever opens the file after a crash, sees the old document or the new one.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "retrieval/document.h"
#include "retrieval/query.h"
#include "storage/backup.h"
#include "storage/database.h"
#include "storage/file_lock.h"

namespace weft::retrieval {

inline constexpr std::size_t kCollectionNameBytesMax = 64;
inline constexpr std::size_t kDocumentBytesMax = 256 * 1024 * 1024;  // of extracted text
inline constexpr std::size_t kHitsMax = 1000;

struct CollectionInfo {
  std::string name;
  std::int64_t documents = 0;
  std::int64_t passages = 0;

  bool operator==(const CollectionInfo&) const = default;
};

/// A document without its text. `source` is a path relative to `root`, the directory that was
/// indexed; the two together name a document within its collection.
struct DocumentInfo {
  std::int64_t id = 0;  // kept when the document is replaced
  std::string root;
  std::string source;
  std::string sha256;          // of the file's bytes, hex
  std::string reader_version;  // of what made text and passages of them
  std::string format;
  std::string title;
  std::int64_t passages = 0;

  bool operator==(const DocumentInfo&) const = default;
};

struct NewDocument {
  std::string root;
  std::string source;
  std::string sha256;
  std::string reader_version;
  Extracted extracted;
  std::vector<Passage> passages;
};

struct SearchOptions {
  StopWords stop_words = StopWords::kDropEnglish;
  std::stop_token stop;
};

/// One thread at a time; every thread or process that reads opens its own. Errors that every member
/// may give are those of storage::Database; kNotFound for a collection lists those that are there.
class CollectionStore {
 public:
  enum class Mode : std::uint8_t {
    kRead,
    kWrite,  // makes or migrates the file, and keeps other writers out while it is open
  };

  /// Errors: kNotFound if there is nothing to read; kConflict if another process has it open for
  /// writing; kUnsupported if another version of weft must open it.
  static Result<CollectionStore> open(const std::filesystem::path& path, Mode mode);

  Result<std::vector<CollectionInfo>> collections();  // by name
  /// Errors: kAlreadyExists; kInvalidArgument unless the name is 1 to 64 of a-z A-Z 0-9 . _ -
  Result<void> create_collection(std::string_view name);
  Result<void> remove_collection(std::string_view name);

  /// Adds the document, or replaces the one of that root and source, and gives its id.
  /// Errors: kInvalidArgument if a passage isn't what its offsets say; kResourceExhausted.
  Result<std::int64_t> put_document(std::string_view collection, const NewDocument& document);
  /// Errors: kNotFound.
  Result<void> remove_document(std::int64_t id);

  /// Those of one root, or all; by root and source.
  Result<std::vector<DocumentInfo>> documents(std::string_view collection,
                                              std::optional<std::string_view> root = {});
  /// Those whose source, or whole path, is `source`: one a root at most. Empty if there is none.
  Result<std::vector<DocumentInfo>> find_documents(std::string_view collection,
                                                   std::string_view source);
  /// Errors: kNotFound.
  Result<Extracted> read_document(std::int64_t id);
  Result<std::vector<Passage>> passages(std::int64_t document);  // in order

  /// The k passages that match best any word of `query`, best first: BM25 over heading and text
  /// (k1 1.2, b 0.75, equal weights, Porter stems); of equals the older passage. Only this
  /// collection's passages count in the statistics. Errors: kCancelled.
  Result<std::vector<PassageHit>> search(std::string_view collection, std::string_view query,
                                         std::size_t k, const SearchOptions& options = {});

  /// Rewrites the collection's index without what was removed from it, and empties the write-ahead
  /// log: after this the file holds no byte of a removed document. Costs as much as indexing.
  Result<void> compact(std::string_view collection);
  /// Reads everything: SQLite's own check, each index against its text, each passage against its
  /// document. A store open for reading can't check the inside of an index.
  /// Errors: kCorrupt names the first finding.
  Result<void> check();
  Result<void> backup(const std::filesystem::path& target,
                      const storage::BackupOptions& options = {});

 private:
  CollectionStore(storage::Database database, std::optional<storage::FileLock> lock);

  Result<void> check_collection(std::int64_t id);
  Result<void> check_document(std::int64_t collection, std::int64_t document,
                              std::int64_t passages);
  Result<std::int64_t> collection_id(std::string_view name);
  Result<void> remove_passages(std::int64_t collection, std::int64_t document);
  Result<void> insert_passages(std::int64_t collection, std::int64_t document,
                               const NewDocument& content);

  std::optional<storage::FileLock> lock_;  // of the one writer; outlives the connection
  storage::Database database_;
};

}  // namespace weft::retrieval
