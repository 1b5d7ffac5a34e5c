// What CollectionStore::check() looks at: that rows, texts and index entries agree.

#include <string>
#include <string_view>

#include "retrieval/collection_schema.h"
#include "retrieval/collection_store.h"

namespace weft::retrieval {

Result<void> CollectionStore::check() {
  WEFT_TRY_VOID(database_.check_integrity());
  WEFT_TRY(statement, database_.prepare("SELECT id FROM collections"));
  std::vector<std::int64_t> ids;
  for (;;) {
    WEFT_TRY(row, statement.step());
    if (!row) break;
    ids.push_back(statement.integer(0));
  }
  for (const auto id : ids) WEFT_TRY_VOID(check_collection(id));
  return {};
}

Result<void> CollectionStore::check_collection(std::int64_t id) {
  const std::string index = index_table(id);
  if (lock_) {
    WEFT_TRY_VOID(
        database_.execute("INSERT INTO " + index + "(" + index + ") VALUES('integrity-check')"));
  }
  const auto snapshot = storage::Snapshot::begin(database_);
  if (!snapshot) return snapshot.error();
  WEFT_TRY(statement,
           database_.prepare("SELECT id, passages FROM documents WHERE collection = ?1", id));
  std::int64_t passages = 0;
  for (;;) {
    WEFT_TRY(row, statement.step());
    if (!row) break;
    passages += statement.integer(1);
    WEFT_TRY_VOID(check_document(id, statement.integer(0), statement.integer(1)));
  }
  WEFT_TRY(count, database_.prepare("SELECT count(*) FROM " + index));
  WEFT_TRY(row, count.step());
  if (row && count.integer(0) == passages) return {};
  return Error{ErrorCode::kCorrupt, "collection " + std::to_string(id) + " has " +
                                        std::to_string(passages) + " passages, but its index " +
                                        std::to_string(count.integer(0))};
}

Result<void> CollectionStore::check_document(std::int64_t collection, std::int64_t document,
                                             std::int64_t passages) {
  WEFT_TRY(content, read_document(document));
  WEFT_TRY(statement,
           database_.prepare("SELECT p.start, p.end, p.heading_path, t.heading, t.text, p.ordinal "
                             "FROM passages p LEFT JOIN " +
                                 index_table(collection) +
                                 " t ON t.rowid = p.id "
                                 "WHERE p.document = ?1 ORDER BY p.ordinal",
                             document));
  const std::string_view text = content.text;
  for (std::int64_t ordinal = 0;; ++ordinal) {
    WEFT_TRY(row, statement.step());
    if (!row && ordinal == passages) return {};
    const auto start = row ? static_cast<std::size_t>(statement.integer(0)) : 0;
    const auto end = row ? static_cast<std::size_t>(statement.integer(1)) : 0;
    const bool same =
        row && statement.integer(5) == ordinal && start <= end && end <= text.size() &&
        statement.text(4) == text.substr(start, end - start) &&
        statement.text(3) == searched_heading(content.title, std::string(statement.text(2)));
    if (!same) {
      return Error{ErrorCode::kCorrupt, "passage " + std::to_string(ordinal) + " of document " +
                                            std::to_string(document) +
                                            " isn't what its document and index say"};
    }
  }
}

}  // namespace weft::retrieval
