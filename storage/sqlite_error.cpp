#include "storage/sqlite_error.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace weft::storage {
namespace {

ErrorCode meaning(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return ErrorCode::kIo;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kConflict;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_INTERRUPT:
      return ErrorCode::kCancelled;
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
      return ErrorCode::kResourceExhausted;
    case SQLITE_CONSTRAINT:
      return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY
                 ? ErrorCode::kAlreadyExists
                 : ErrorCode::kInvalidArgument;
    case SQLITE_ERROR:
    case SQLITE_RANGE:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

bool is_out_of_space(int code, sqlite3* database) {
  if ((code & 0xff) == SQLITE_FULL) return true;
  if ((code & 0xff) != SQLITE_IOERR || database == nullptr) return false;
  // SQLite says FULL for ENOSPC alone; a quota or a file size limit reads the same to a user.
  const int system = sqlite3_system_errno(database);
  return system == ENOSPC || system == EDQUOT || system == EFBIG;
}

// " (Permission denied)": SQLite's own words for a file that can't be opened or read say no cause.
std::string system_reason(int code, sqlite3* database) {
  const bool about_a_file = (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR;
  const int system = about_a_file && database != nullptr ? sqlite3_system_errno(database) : 0;
  return system == 0 ? "" : std::string(" (") + std::strerror(system) + ")";
}

}  // namespace

Error sqlite_error(int code, sqlite3* database, std::string_view doing) {
  std::string message(doing);
  message += ": ";
  if (is_out_of_space(code, database)) {
    message += "disk full; nothing was changed. Free some space and run it again";
    return {ErrorCode::kIo, message};
  }
  switch (meaning(code)) {
    case ErrorCode::kConflict:
      message += "another process is writing; try again when it is done";
      break;
    case ErrorCode::kCorrupt:
      message += "not a database, or a damaged one; restore it from a backup";
      break;
    case ErrorCode::kCancelled:
      message += "stopped";
      break;
    default:
      message += database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
      message += system_reason(code, database);
  }
  return {meaning(code), message};
}

}  // namespace weft::storage
