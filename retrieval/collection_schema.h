#pragma once
// The tables of weft.db. Private to retrieval/.

#include <cstdint>
#include <string>

#include "storage/migrations.h"

namespace weft::retrieval {

storage::Migrations collection_migrations();

/// The name of a collection's FTS5 table. A table each, because BM25 counts over a whole table: one
/// collection's words mustn't show in the scores of another.
std::string index_table(std::int64_t collection);

/// What is searched beside a passage's text. A heading path often begins with the title, and a word
/// that stood there twice would count twice.
std::string searched_heading(const std::string& title, const std::string& heading_path);

}  // namespace weft::retrieval
