#pragma once
// SQLite's result codes as Errors. Private to storage/.

#include <string_view>

#include "base/error.h"

struct sqlite3;

namespace weft::storage {

/// What `code` (extended) means while `doing` something; `database` gives its words, if not null.
Error sqlite_error(int code, sqlite3* database, std::string_view doing);

}  // namespace weft::storage
