#include "storage/database.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cctype>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/sqlite_error.h"

namespace weft::storage {
namespace {

constexpr std::size_t kStatementsKeptMax = 64;
// Virtual machine steps between two looks at the interrupt: well under a millisecond.
constexpr int kStepsPerInterruptCheck = 5000;

// A file in WAL mode is read with two helper files beside it, which a read-only folder has no room
// for. Nobody can be writing there either, so SQLite may take the file as it stands.
bool is_in_read_only_folder(const std::filesystem::path& path) {
  const auto folder = path.parent_path();
  std::error_code ignored;
  return ::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0 &&
         !std::filesystem::exists(path.string() + "-wal", ignored);
}

// The URI that says so. Every byte that isn't plain is escaped: '?' and '#' have a meaning in it.
std::string immutable_uri(const std::filesystem::path& path) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '/') {
      uri += c;
    } else {
      uri.append({'%', kHex[byte >> 4U], kHex[byte & 15U]});
    }
  }
  return uri.append("?immutable=1");
}

struct CloseDatabase {
  void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
};

int open_flags(Database::Mode mode) {
  // NOMUTEX: a connection belongs to one thread at a time, so SQLite needs no lock of its own.
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (mode) {
    case Database::Mode::kRead:
      return flags | SQLITE_OPEN_READONLY;
    case Database::Mode::kReadWrite:
      return flags | SQLITE_OPEN_READWRITE;
    case Database::Mode::kCreate:
      return flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return flags;
}

void end_transaction(const Database& database) {
  // SQLite may have rolled back by itself, on a full disk for one.
  if (!database.in_transaction()) return;
  sqlite3_exec(database.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace

struct Database::State {
  std::filesystem::path path;
  std::unique_ptr<sqlite3, CloseDatabase> handle;
  // Idle statements by their SQL; one that is running isn't in here.
  std::unordered_map<std::string, sqlite3_stmt*> idle;
  std::function<bool()> should_stop;

  ~State() {
    for (const auto& [sql, statement] : idle) sqlite3_finalize(statement);
  }

  Error error(int code, std::string_view doing) const {
    return sqlite_error(code, handle.get(), std::string(doing) + " " + path.string());
  }
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::filesystem::path& path, const Options& options) {
  std::error_code ignored;
  if (options.mode != Mode::kCreate && !std::filesystem::exists(path, ignored)) {
    return Error{ErrorCode::kNotFound, "no database at " + path.string()};
  }
  auto state = std::make_unique<State>();
  state->path = path;
  sqlite3* handle = nullptr;
  const bool immutable = options.mode == Mode::kRead && is_in_read_only_folder(path);
  const int opened =
      immutable ? sqlite3_open_v2(immutable_uri(path).c_str(), &handle,
                                  open_flags(options.mode) | SQLITE_OPEN_URI, nullptr)
                : sqlite3_open_v2(path.c_str(), &handle, open_flags(options.mode), nullptr);
  state->handle.reset(handle);
  if (opened != SQLITE_OK) return state->error(opened, "cannot open");

  sqlite3_busy_timeout(handle, static_cast<int>(options.busy_timeout.count()));
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);

  Database database(std::move(state));
  if (options.mode == Mode::kRead) {
    WEFT_TRY_VOID(database.execute("PRAGMA query_only=ON; SELECT count(*) FROM sqlite_schema"));
  } else {
    WEFT_TRY_VOID(database.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON"));
  }
  return database;
}

Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(state_->handle.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return state_->error(code, "cannot run a statement on");
  return {};
}

Result<Statement> Database::prepare_unbound(std::string_view sql) {
  if (const auto found = state_->idle.find(std::string(sql)); found != state_->idle.end()) {
    sqlite3_stmt* const handle = found->second;
    state_->idle.erase(found);
    return Statement(state_.get(), handle);
  }
  sqlite3_stmt* handle = nullptr;
  const int code =
      sqlite3_prepare_v3(state_->handle.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) return state_->error(code, "cannot prepare a statement for");
  if (handle == nullptr) return Error{ErrorCode::kInvalidArgument, "an empty SQL statement"};
  return Statement(state_.get(), handle);
}

std::int64_t Database::last_insert_rowid() const noexcept {
  return sqlite3_last_insert_rowid(state_->handle.get());
}
std::int64_t Database::changes() const noexcept { return sqlite3_changes64(state_->handle.get()); }
bool Database::in_transaction() const noexcept {
  return sqlite3_get_autocommit(state_->handle.get()) == 0;
}
const std::filesystem::path& Database::path() const noexcept { return state_->path; }
sqlite3* Database::handle() const noexcept { return state_->handle.get(); }

void Database::set_interrupt(std::function<bool()> should_stop) {
  state_->should_stop = std::move(should_stop);
  if (!state_->should_stop) {
    sqlite3_progress_handler(state_->handle.get(), 0, nullptr, nullptr);
    return;
  }
  sqlite3_progress_handler(
      state_->handle.get(), kStepsPerInterruptCheck,
      [](void* state) { return static_cast<State*>(state)->should_stop() ? 1 : 0; }, state_.get());
}

Result<void> Database::checkpoint() {
  WEFT_TRY(statement, prepare("PRAGMA wal_checkpoint(TRUNCATE)"));
  WEFT_TRY(row, statement.step());
  if (row && statement.integer(0) != 0) return state_->error(SQLITE_BUSY, "cannot checkpoint");
  return {};
}

Result<void> Database::check_integrity() {
  WEFT_TRY(statement, prepare("PRAGMA integrity_check(1)"));
  WEFT_TRY(row, statement.step());
  if (!row || statement.text(0) != "ok") {
    return Error{ErrorCode::kCorrupt, path().string() +
                                          " is damaged: " + std::string(statement.text(0)) +
                                          "; restore it from a backup"};
  }
  return {};
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      handle_(std::exchange(other.handle_, nullptr)),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    release();
    database_ = other.database_;
    handle_ = std::exchange(other.handle_, nullptr);
    bind_error_ = other.bind_error_;
  }
  return *this;
}

Statement::~Statement() { release(); }

void Statement::release() noexcept {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  auto& idle = database_->idle;
  if (idle.size() >= kStatementsKeptMax ||
      !idle.try_emplace(sqlite3_sql(handle_), handle_).second) {
    sqlite3_finalize(handle_);
  }
  handle_ = nullptr;
}

void Statement::note(int code) noexcept {
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

void Statement::bind(int position, std::int64_t value) {
  note(sqlite3_bind_int64(handle_, position, value));
}
void Statement::bind(int position, double value) {
  note(sqlite3_bind_double(handle_, position, value));
}
void Statement::bind(int position, std::string_view text) {
  // A null pointer would bind NULL, and an empty view may hold one.
  note(sqlite3_bind_text64(handle_, position, text.empty() ? "" : text.data(), text.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
}
void Statement::bind(int position, std::span<const std::byte> blob) {
  note(blob.empty()
           ? sqlite3_bind_zeroblob(handle_, position, 0)
           : sqlite3_bind_blob64(handle_, position, blob.data(), blob.size(), SQLITE_TRANSIENT));
}
void Statement::bind(int position, std::nullopt_t) { note(sqlite3_bind_null(handle_, position)); }

Result<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK) return database_->error(bind_error_, "cannot bind a value for");
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = database_->error(
      code, sqlite3_stmt_readonly(handle_) != 0 ? "cannot read from" : "cannot write to");
  sqlite3_reset(handle_);
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    WEFT_TRY(row, step());
    if (!row) return {};
  }
}

void Statement::reset() { sqlite3_reset(handle_); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }
std::string_view Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  return {bytes == nullptr ? "" : bytes,
          bytes == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}
std::span<const std::byte> Statement::blob(int column) const {
  const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(handle_, column));
  return {bytes,
          bytes == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

Result<Snapshot> Snapshot::begin(Database& database) {
  WEFT_TRY_VOID(database.execute("BEGIN"));
  Snapshot snapshot(database);
  // BEGIN alone fixes nothing: the version is taken by the first read.
  WEFT_TRY_VOID(database.execute("SELECT count(*) FROM sqlite_schema"));
  return snapshot;
}

Snapshot::Snapshot(Snapshot&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Snapshot::~Snapshot() {
  if (database_ != nullptr) end_transaction(*database_);
}

Result<Transaction> Transaction::begin(Database& database) {
  WEFT_TRY_VOID(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  if (database_ != nullptr) end_transaction(*database_);
}

Result<void> Transaction::commit() {
  if (database_ == nullptr) return Error{ErrorCode::kInternal, "a transaction committed twice"};
  auto committed = database_->execute("COMMIT");
  if (committed) database_ = nullptr;  // else the destructor rolls back
  return committed;
}

}  // namespace weft::storage
