#pragma once
// One SQLite database file: connection, prepared statements, transactions. Prepared statements
// only: values are bound, never pasted into SQL. https://www.sqlite.org/c3ref/intro.html

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weft::storage {

class Statement;

/// What every error of this folder's SQLite calls means:
/// kIo: disk full, permission, a failed read or write; the transaction at hand is undone.
/// kConflict: another connection kept its lock longer than the busy timeout.
/// kCorrupt: the file isn't a database, or is damaged.   kCancelled: the interrupt said stop.
/// kAlreadyExists: a UNIQUE constraint.   kInvalidArgument: another constraint, or wrong SQL.
/// A connection is used by one thread at a time; several connections may be at work at once.
class Database {
 public:
  enum class Mode : std::uint8_t {
    kRead,       // the file must be there; nothing is written; its folder may be read-only
    kReadWrite,  // the file must be there
    kCreate,     // made if it isn't there
  };
  struct Options {
    Mode mode = Mode::kRead;
    std::chrono::milliseconds busy_timeout{5000};
  };

  /// Opens with WAL and synchronous=FULL (a commit is on the disk when it returns), foreign keys
  /// checked, deleted content overwritten, and no trust in the schema: no extensions, no writes to
  /// shadow tables, no functions with side effects from triggers or views.
  /// Errors: kNotFound if the file isn't there; kCorrupt if it is no database; kIo.
  static Result<Database> open(const std::filesystem::path& path, const Options& options);

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  /// Runs fixed SQL of ours, several statements if need be, and drops what they return.
  Result<void> execute(const std::string& sql);

  /// The statement for `sql`, compiled once and kept for the next call. `values` bind ?1, ?2, ...
  template <typename... Values>
  Result<Statement> prepare(std::string_view sql, const Values&... values);

  std::int64_t last_insert_rowid() const noexcept;
  std::int64_t changes() const noexcept;  // rows of the last INSERT, UPDATE or DELETE
  bool in_transaction() const noexcept;
  const std::filesystem::path& path() const noexcept;

  /// Asked every few thousand steps of a running statement: true stops it. Empty: never. It mustn't
  /// throw.
  void set_interrupt(std::function<bool()> should_stop);

  /// Moves the write-ahead log into the file and empties it. Errors: kConflict if a reader is
  /// still in an old version.
  Result<void> checkpoint();

  /// kCorrupt with SQLite's first finding, if there is one. Reads the whole file.
  Result<void> check_integrity();

  /// For the other sources of this folder.
  sqlite3* handle() const noexcept;

 private:
  friend class Statement;
  struct State;
  explicit Database(std::unique_ptr<State> state);
  Result<Statement> prepare_unbound(std::string_view sql);

  std::unique_ptr<State> state_;  // its address outlives moves: statements point at it
};

/// One run of a prepared statement. It must not outlive its Database. Bound text and blobs are
/// copied; returned views hold until the next step() or the end of the Statement.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  void bind(int position, std::int64_t value);
  void bind(int position, double value);
  void bind(int position, std::string_view text);
  void bind(int position, std::span<const std::byte> blob);
  void bind(int position, std::nullopt_t null);

  /// True: there is a row. False: done. A failed bind is reported here.
  Result<bool> step();
  /// Steps to the end and drops the rows.
  Result<void> run();
  /// Back to before the first row; the bound values stay.
  void reset();

  // Columns count from 0. A value of another type is converted as SQLite does it; NULL is 0 or "".
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  std::span<const std::byte> blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(Database::State* database, sqlite3_stmt* handle) noexcept
      : database_(database), handle_(handle) {}
  void release() noexcept;
  void note(int code) noexcept;

  Database::State* database_;
  sqlite3_stmt* handle_;
  int bind_error_ = 0;
};

/// A read transaction: every read of the connection sees the version of the moment it began.
class Snapshot {
 public:
  static Result<Snapshot> begin(Database& database);

  Snapshot(Snapshot&& other) noexcept;
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot();

 private:
  explicit Snapshot(Database& database) noexcept : database_(&database) {}

  Database* database_;
};

/// A write transaction (BEGIN IMMEDIATE): all of it, or, without commit(), nothing.
class Transaction {
 public:
  /// Errors: kConflict if another connection writes for longer than the busy timeout.
  static Result<Transaction> begin(Database& database);

  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();  // rolls back what wasn't committed

  /// On an error nothing of the transaction stays.
  Result<void> commit();

 private:
  explicit Transaction(Database& database) noexcept : database_(&database) {}

  Database* database_;  // null when finished
};

namespace detail {
// Integers of any width bind as 64 bits; a bool is no value SQLite knows, say 0 or 1.
template <typename T>
void bind_value(Statement& statement, int position, const T& value) {
  if constexpr (std::is_integral_v<T>) {
    static_assert(!std::is_same_v<T, bool>);
    statement.bind(position, static_cast<std::int64_t>(value));
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    statement.bind(position, std::string_view(value));
  } else {
    statement.bind(position, value);
  }
}
}  // namespace detail

template <typename... Values>
Result<Statement> Database::prepare(std::string_view sql, const Values&... values) {
  auto statement = prepare_unbound(sql);
  if (statement) {
    int position = 0;
    (detail::bind_value(*statement, ++position, values), ...);
  }
  return statement;
}

}  // namespace weft::storage
