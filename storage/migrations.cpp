#include "storage/migrations.h"

#include <cstdint>

namespace weft::storage {
namespace {

Error newer_than_known(const Database& database, std::int64_t found, std::size_t known) {
  return {ErrorCode::kUnsupported, database.path().string() + " has schema version " +
                                       std::to_string(found) + ", and this program knows up to " +
                                       std::to_string(known) +
                                       ": a newer weft made it; update weft to open it"};
}

}  // namespace

Result<std::int64_t> schema_version(Database& database) {
  WEFT_TRY(statement, database.prepare("PRAGMA user_version"));
  WEFT_TRY(row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<void> migrate(Database& database, Migrations steps) {
  const auto newest = static_cast<std::int64_t>(steps.size());
  WEFT_TRY(before, schema_version(database));
  if (before == newest) return {};
  WEFT_TRY(transaction, Transaction::begin(database));
  // Asked again: another process may have migrated while this one waited for the lock.
  WEFT_TRY(version, schema_version(database));
  if (version > newest || version < 0) return newer_than_known(database, version, steps.size());
  if (version == 0) {
    WEFT_TRY(tables, database.prepare("SELECT count(*) FROM sqlite_schema"));
    WEFT_TRY(row, tables.step());
    if (row && tables.integer(0) != 0) {
      return Error{ErrorCode::kCorrupt,
                   database.path().string() + " is a database of another program"};
    }
  }
  for (std::int64_t i = version; i < newest; ++i) {
    auto done = database.execute(steps[static_cast<std::size_t>(i)]);
    if (!done) {
      return std::move(done).error().with_context("migration to version " + std::to_string(i + 1));
    }
  }
  WEFT_TRY_VOID(database.execute("PRAGMA user_version=" + std::to_string(newest)));
  return transaction.commit();
}

Result<void> require_newest_version(Database& database, Migrations steps) {
  WEFT_TRY(version, schema_version(database));
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (version > newest || version < 0) return newer_than_known(database, version, steps.size());
  if (version < newest) {
    return Error{ErrorCode::kUnsupported,
                 database.path().string() + " has the older schema version " +
                     std::to_string(version) + "; `weft index` brings it to " +
                     std::to_string(newest)};
  }
  return {};
}

}  // namespace weft::storage
