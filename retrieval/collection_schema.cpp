#include "retrieval/collection_schema.h"

#include <array>

namespace weft::retrieval {

storage::Migrations collection_migrations() {
  // AUTOINCREMENT: an id that was given out never names anything else. `text` stands last, so that
  // listing documents doesn't read it.
  static const std::array<std::string, 1> steps = {R"sql(
    CREATE TABLE collections(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE documents(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
      root TEXT NOT NULL,
      source TEXT NOT NULL,
      sha256 TEXT NOT NULL,
      reader_version TEXT NOT NULL,
      format TEXT NOT NULL,
      title TEXT NOT NULL,
      passages INTEGER NOT NULL,
      offsets_in_source INTEGER NOT NULL,
      text TEXT NOT NULL,
      UNIQUE(collection, root, source)
    ) STRICT;
    CREATE INDEX documents_by_source ON documents(collection, source);
    CREATE TABLE passages(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
      ordinal INTEGER NOT NULL,
      start INTEGER NOT NULL,
      end INTEGER NOT NULL,
      heading_path TEXT NOT NULL,
      UNIQUE(document, ordinal)
    ) STRICT;
  )sql"};
  return steps;
}

std::string index_table(std::int64_t collection) {
  return "passage_index_" + std::to_string(collection);
}

std::string searched_heading(const std::string& title, const std::string& heading_path) {
  if (heading_path.empty() || title == heading_path) return title;
  if (title.empty() || heading_path.starts_with(title)) return heading_path;
  return title + "\n" + heading_path;
}

}  // namespace weft::retrieval
