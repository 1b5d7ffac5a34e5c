#pragma once
// The schema's version, kept in SQLite's user_version, and the steps that lead to the newest.

#include <span>
#include <string>

#include "base/result.h"
#include "storage/database.h"

namespace weft::storage {

/// steps[i] is SQL that turns version i into version i + 1; version 0 is an empty file. A step that
/// was released is never edited. The newest version is the number of steps.
using Migrations = std::span<const std::string>;

Result<std::int64_t> schema_version(Database& database);

/// Brings the file to the newest version in one transaction: all steps or none.
/// Errors: kUnsupported if a newer program made the file; kCorrupt if another
/// program's tables are in it; those of Database.
Result<void> migrate(Database& database, Migrations steps);

/// For readers, which can't migrate. Errors: kUnsupported if the version isn't the newest.
Result<void> require_newest_version(Database& database, Migrations steps);

}  // namespace weft::storage
