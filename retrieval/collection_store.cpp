#include "retrieval/collection_store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "retrieval/collection_schema.h"
#include "storage/migrations.h"

namespace weft::retrieval {
namespace {

using storage::Database;
using storage::FileLock;
using storage::Statement;
using storage::Transaction;

Result<void> check_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= kCollectionNameBytesMax &&
                    std::ranges::all_of(name, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                    });
  if (fits) return {};
  return Error{ErrorCode::kInvalidArgument,
               "a collection's name is 1 to 64 of the characters a-z A-Z 0-9 . _ -"};
}

Result<void> check_document(const NewDocument& document) {
  const std::string& text = document.extracted.text;
  if (text.size() > kDocumentBytesMax) {
    return Error{ErrorCode::kResourceExhausted,
                 document.source + " has " + std::to_string(text.size()) +
                     " bytes of text; at most " + std::to_string(kDocumentBytesMax) + " fit"};
  }
  for (const auto& passage : document.passages) {
    const bool inside = passage.start <= passage.end && passage.end <= text.size();
    if (!inside ||
        std::string_view(text).substr(passage.start, passage.end - passage.start) != passage.text) {
      return Error{ErrorCode::kInvalidArgument,
                   document.source + ": the passage at bytes " + std::to_string(passage.start) +
                       " to " + std::to_string(passage.end) + " isn't what stands there"};
    }
  }
  return {};
}

constexpr std::string_view kInfoColumns =
    "SELECT id, root, source, sha256, reader_version, format, title, passages FROM documents ";

Result<std::vector<DocumentInfo>> read_infos(Statement statement) {
  std::vector<DocumentInfo> infos;
  for (;;) {
    WEFT_TRY(row, statement.step());
    if (!row) return infos;
    infos.push_back({.id = statement.integer(0),
                     .root = std::string(statement.text(1)),
                     .source = std::string(statement.text(2)),
                     .sha256 = std::string(statement.text(3)),
                     .reader_version = std::string(statement.text(4)),
                     .format = std::string(statement.text(5)),
                     .title = std::string(statement.text(6)),
                     .passages = statement.integer(7)});
  }
}

Result<std::vector<PassageHit>> read_hits(Statement statement) {
  std::vector<PassageHit> hits;
  for (;;) {
    WEFT_TRY(row, statement.step());
    if (!row) return hits;
    hits.push_back({.passage = statement.integer(0),
                    .document = statement.integer(1),
                    .root = std::string(statement.text(2)),
                    .source = std::string(statement.text(3)),
                    .title = std::string(statement.text(4)),
                    .heading_path = std::string(statement.text(5)),
                    .start = static_cast<std::size_t>(statement.integer(6)),
                    .end = static_cast<std::size_t>(statement.integer(7)),
                    .score = statement.real(8),
                    .text = std::string(statement.text(9))});
  }
}

Error no_document(std::int64_t id) {
  return {ErrorCode::kNotFound, "no document with id " + std::to_string(id)};
}

}  // namespace

CollectionStore::CollectionStore(Database database, std::optional<FileLock> lock)
    : lock_(std::move(lock)), database_(std::move(database)) {}

Result<CollectionStore> CollectionStore::open(const std::filesystem::path& path, Mode mode) {
  if (mode == Mode::kRead) {
    auto database = Database::open(path, {.mode = Database::Mode::kRead});
    if (!database && database.error().code == ErrorCode::kNotFound) {
      return Error{ErrorCode::kNotFound, "nothing is indexed yet: there is no " + path.string() +
                                             "; `weft index DIR` makes it"};
    }
    if (!database) return std::move(database).error();
    WEFT_TRY_VOID(storage::require_newest_version(*database, collection_migrations()));
    return CollectionStore(*std::move(database), std::nullopt);
  }
  WEFT_TRY(lock, FileLock::acquire(path.string() + ".lock"));
  WEFT_TRY(database, Database::open(path, {.mode = Database::Mode::kCreate}));
  WEFT_TRY_VOID(storage::migrate(database, collection_migrations()));
  return CollectionStore(std::move(database), std::move(lock));
}

Result<std::vector<CollectionInfo>> CollectionStore::collections() {
  WEFT_TRY(statement,
           database_.prepare("SELECT name, count(d.id), coalesce(sum(d.passages), 0) "
                             "FROM collections c LEFT JOIN documents d ON d.collection = c.id "
                             "GROUP BY c.id ORDER BY name"));
  std::vector<CollectionInfo> infos;
  for (;;) {
    WEFT_TRY(row, statement.step());
    if (!row) return infos;
    infos.push_back({std::string(statement.text(0)), statement.integer(1), statement.integer(2)});
  }
}

Result<std::int64_t> CollectionStore::collection_id(std::string_view name) {
  WEFT_TRY(statement, database_.prepare("SELECT id FROM collections WHERE name = ?1", name));
  WEFT_TRY(row, statement.step());
  if (row) return statement.integer(0);
  WEFT_TRY(others, collections());
  std::string message = "no collection \"" + std::string(name) + "\"; ";
  for (const auto& other : others) {
    message += (&other == others.data() ? "there are " : ", ") + other.name;
  }
  if (others.empty()) message += "there is none yet";
  return Error{ErrorCode::kNotFound,
               message + ". `weft index DIR --collection " + std::string(name) + "` makes it"};
}

Result<void> CollectionStore::create_collection(std::string_view name) {
  WEFT_TRY_VOID(check_name(name));
  WEFT_TRY(transaction, Transaction::begin(database_));
  WEFT_TRY(insert, database_.prepare("INSERT INTO collections(name) VALUES(?1)", name));
  if (auto inserted = insert.run(); !inserted) {
    if (inserted.error().code != ErrorCode::kAlreadyExists) return inserted;
    return Error{ErrorCode::kAlreadyExists,
                 "there is a collection \"" + std::string(name) + "\" already"};
  }
  WEFT_TRY_VOID(database_.execute("CREATE VIRTUAL TABLE " +
                                  index_table(database_.last_insert_rowid()) +
                                  " USING fts5(heading, text, tokenize='porter unicode61')"));
  return transaction.commit();
}

Result<void> CollectionStore::remove_collection(std::string_view name) {
  WEFT_TRY(transaction, Transaction::begin(database_));
  WEFT_TRY(id, collection_id(name));
  WEFT_TRY_VOID(database_.execute("DROP TABLE " + index_table(id)));
  WEFT_TRY(remove, database_.prepare("DELETE FROM collections WHERE id = ?1", id));
  WEFT_TRY_VOID(remove.run());
  return transaction.commit();
}

Result<void> CollectionStore::remove_passages(std::int64_t collection, std::int64_t document) {
  WEFT_TRY(terms, database_.prepare("DELETE FROM " + index_table(collection) +
                                        " WHERE rowid IN (SELECT id FROM passages "
                                        "WHERE document = ?1)",
                                    document));
  WEFT_TRY_VOID(terms.run());
  WEFT_TRY(rows, database_.prepare("DELETE FROM passages WHERE document = ?1", document));
  return rows.run();
}

Result<void> CollectionStore::insert_passages(std::int64_t collection, std::int64_t document,
                                              const NewDocument& content) {
  const std::string insert_terms =
      "INSERT INTO " + index_table(collection) + "(rowid, heading, text) VALUES(?1, ?2, ?3)";
  std::int64_t ordinal = 0;
  for (const auto& passage : content.passages) {
    WEFT_TRY(row, database_.prepare("INSERT INTO passages(document, ordinal, start, end, "
                                    "heading_path) VALUES(?1, ?2, ?3, ?4, ?5)",
                                    document, ordinal++, passage.start, passage.end,
                                    passage.heading_path));
    WEFT_TRY_VOID(row.run());
    WEFT_TRY(terms,
             database_.prepare(insert_terms, database_.last_insert_rowid(),
                               searched_heading(content.extracted.title, passage.heading_path),
                               passage.text));
    WEFT_TRY_VOID(terms.run());
  }
  return {};
}

Result<std::int64_t> CollectionStore::put_document(std::string_view collection,
                                                   const NewDocument& document) {
  WEFT_TRY_VOID(retrieval::check_document(document));
  WEFT_TRY(transaction, Transaction::begin(database_));
  WEFT_TRY(owner, collection_id(collection));
  const Extracted& content = document.extracted;
  // One statement either way, so that a replaced document keeps its id.
  WEFT_TRY(put,
           database_.prepare(
               "INSERT INTO documents(collection, root, source, sha256, reader_version, format, "
               "title, passages, offsets_in_source, text) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
               "ON CONFLICT(collection, root, source) DO UPDATE SET sha256 = excluded.sha256, "
               "reader_version = excluded.reader_version, format = excluded.format, "
               "title = excluded.title, passages = excluded.passages, "
               "offsets_in_source = excluded.offsets_in_source, text = excluded.text "
               "RETURNING id",
               owner, document.root, document.source, document.sha256, document.reader_version,
               content.format, content.title, document.passages.size(),
               content.offsets_in_source ? 1 : 0, content.text));
  WEFT_TRY(row, put.step());
  const std::int64_t id = row ? put.integer(0) : 0;
  WEFT_TRY_VOID(put.run());
  WEFT_TRY_VOID(remove_passages(owner, id));
  WEFT_TRY_VOID(insert_passages(owner, id, document));
  WEFT_TRY_VOID(transaction.commit());
  return id;
}

Result<void> CollectionStore::remove_document(std::int64_t id) {
  WEFT_TRY(transaction, Transaction::begin(database_));
  WEFT_TRY(find, database_.prepare("SELECT collection FROM documents WHERE id = ?1", id));
  WEFT_TRY(row, find.step());
  if (!row) return no_document(id);
  const std::int64_t collection = find.integer(0);
  find.reset();
  WEFT_TRY_VOID(remove_passages(collection, id));
  WEFT_TRY(remove, database_.prepare("DELETE FROM documents WHERE id = ?1", id));
  WEFT_TRY_VOID(remove.run());
  return transaction.commit();
}

Result<std::vector<DocumentInfo>> CollectionStore::documents(std::string_view collection,
                                                             std::optional<std::string_view> root) {
  WEFT_TRY(id, collection_id(collection));
  auto statement = database_.prepare(
      std::string(kInfoColumns) +
          "WHERE collection = ?1 AND (?2 IS NULL OR root = ?2) ORDER BY root, source",
      id);
  if (!statement) return std::move(statement).error();
  if (root) statement->bind(2, *root);
  return read_infos(*std::move(statement));
}

Result<std::vector<DocumentInfo>> CollectionStore::find_documents(std::string_view collection,
                                                                  std::string_view source) {
  WEFT_TRY(id, collection_id(collection));
  WEFT_TRY(statement, database_.prepare(std::string(kInfoColumns) +
                                            "WHERE collection = ?1 AND (source = ?2 OR "
                                            "root || '/' || source = ?2) ORDER BY root, source",
                                        id, source));
  return read_infos(std::move(statement));
}

Result<Extracted> CollectionStore::read_document(std::int64_t id) {
  WEFT_TRY(statement,
           database_.prepare(
               "SELECT text, title, format, offsets_in_source FROM documents WHERE id = ?1", id));
  WEFT_TRY(row, statement.step());
  if (!row) return no_document(id);
  return Extracted{.text = std::string(statement.text(0)),
                   .title = std::string(statement.text(1)),
                   .format = std::string(statement.text(2)),
                   .offsets_in_source = statement.integer(3) != 0};
}

Result<std::vector<Passage>> CollectionStore::passages(std::int64_t document) {
  const auto snapshot = storage::Snapshot::begin(database_);
  if (!snapshot) return snapshot.error();
  WEFT_TRY(content, read_document(document));
  WEFT_TRY(statement,
           database_.prepare("SELECT start, end, heading_path FROM passages WHERE document = ?1 "
                             "ORDER BY ordinal",
                             document));
  std::vector<Passage> found;
  for (;;) {
    WEFT_TRY(row, statement.step());
    if (!row) return found;
    const auto start = static_cast<std::size_t>(statement.integer(0));
    const auto end = static_cast<std::size_t>(statement.integer(1));
    if (start > end || end > content.text.size()) {
      return Error{ErrorCode::kCorrupt, "a passage of document " + std::to_string(document) +
                                            " lies outside its text; index it again"};
    }
    found.push_back(
        {start, end, std::string(statement.text(2)), content.text.substr(start, end - start)});
  }
}

Result<std::vector<PassageHit>> CollectionStore::search(std::string_view collection,
                                                        std::string_view query, std::size_t k,
                                                        const SearchOptions& options) {
  if (k > kHitsMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "a search gives at most " + std::to_string(kHitsMax) + " passages"};
  }
  WEFT_TRY(id, collection_id(collection));
  const std::string expression = match_expression(query, options.stop_words);
  if (expression.empty() || k == 0) return std::vector<PassageHit>{};
  // The inner query ranks by numbers alone; only the k best are joined with their texts.
  const std::string index = index_table(id);
  WEFT_TRY(
      statement,
      database_.prepare("SELECT p.id, d.id, d.root, d.source, d.title, p.heading_path, "
                        "p.start, p.end, -h.rank_score, t.text FROM (SELECT rowid AS id, "
                        "bm25(" +
                            index + ", 1.0, 1.0) AS rank_score FROM " + index + " WHERE " + index +
                            " MATCH ?1 ORDER BY rank_score, rowid LIMIT ?2) h "
                            "JOIN passages p ON p.id = h.id "
                            "JOIN documents d ON d.id = p.document "
                            "JOIN " +
                            index +
                            " t ON t.rowid = h.id "
                            "ORDER BY h.rank_score, h.id",
                        expression, k));
  if (options.stop.stop_possible()) {
    database_.set_interrupt([stop = options.stop] { return stop.stop_requested(); });
  }
  auto hits = read_hits(std::move(statement));
  database_.set_interrupt({});
  return hits;
}

Result<void> CollectionStore::compact(std::string_view collection) {
  WEFT_TRY(id, collection_id(collection));
  const std::string index = index_table(id);
  WEFT_TRY_VOID(database_.execute("INSERT INTO " + index + "(" + index + ") VALUES('optimize')"));
  return database_.checkpoint();
}

Result<void> CollectionStore::backup(const std::filesystem::path& target,
                                     const storage::BackupOptions& options) {
  return storage::backup(database_, target, options);
}

}  // namespace weft::retrieval
