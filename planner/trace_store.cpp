#include "planner/trace_store.h"

#include <algorithm>
#include <array>

#include "base/guard.h"
#include "storage/migrations.h"

namespace weft::planner {
namespace {

/// Rows that may wait for the writer: enough for a commit's time, few enough to bound memory.
constexpr std::size_t kWaitingMax = 4096;

Result<void> end_run(storage::Database& database, const RunRow& run, const RunEnd& end) {
  WEFT_TRY(update, database.prepare("UPDATE run SET status=?2, error=?3, ended_ns=started_ns + ?4 "
                                    "WHERE id=?1",
                                    run.id, static_cast<std::int64_t>(end.status), end.error,
                                    static_cast<std::int64_t>(end.at.count())));
  return update.run();
}

Result<void> append(storage::Database& database, const EventRow& row) {
  if (row.end) return end_run(database, *row.run, *row.end);
  const TraceEvent& event = row.event;
  const bool has_value = event.digest != Digest{};
  WEFT_TRY(insert, database.prepare("INSERT INTO event VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                                    "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
                                    (row.run->id << 32) | event.seq,
                                    static_cast<std::int64_t>(event.kind), event.path));
  int position = 3;
  const auto bind = [&](const auto& value) { insert.bind(++position, value); };
  const auto bind_unless = [&](bool absent, const auto& value) {
    if (absent) {
      bind(std::nullopt);
    } else {
      bind(value);
    }
  };
  bind_unless(event.label.empty(), std::string_view(event.label));
  bind(static_cast<std::int64_t>(event.attempt));
  bind(static_cast<std::int64_t>(event.begin.count()));
  bind(static_cast<std::int64_t>((event.end - event.begin).count()));
  bind_unless(event.key == Digest{}, std::span<const std::byte>(event.key));
  bind_unless(!has_value, std::span<const std::byte>(event.digest));
  if (row.bytes) {
    if (!row.run->key) return Error{ErrorCode::kPermissionDenied, "the run is redacted"};
    WEFT_TRY(sealed, storage::seal(*row.run->key, seal_place(row.run->id, event.seq), *row.bytes));
    bind(std::span<const std::byte>(sealed));
  } else {
    bind(std::nullopt);
  }
  const Spend& spent = event.spent;
  for (const std::int64_t amount :
       {spent.prompt_tokens, spent.output_tokens, spent.calls, spent.money_micros,
        static_cast<std::int64_t>(spent.time.count())}) {
    bind_unless(amount == 0, amount);
  }
  bind_unless(!event.code, event.code ? to_string(*event.code) : std::string_view());
  bind_unless(event.message.empty(), std::string_view(event.message));
  bind_unless(spent.cached_tokens == 0, spent.cached_tokens);
  WEFT_TRY_VOID(insert.run());
  for (const std::string& document : row.documents) {
    WEFT_TRY(link, database.prepare("INSERT OR IGNORE INTO run_document VALUES(?1, ?2)", document,
                                    row.run->id));
    WEFT_TRY_VOID(link.run());
  }
  return {};
}

TraceEvent read_event(const storage::Statement& row) {
  TraceEvent event;
  event.seq = row.integer(0) & 0xffff'ffff;
  event.kind = static_cast<TraceEvent::Kind>(row.integer(1));
  event.path = row.text(2);
  event.label = row.text(3);
  event.attempt = static_cast<int>(row.integer(4));
  event.begin = std::chrono::nanoseconds(row.integer(5));
  event.end = event.begin + std::chrono::nanoseconds(row.integer(6));
  const auto read = [&](int column, Digest& digest) {
    const auto bytes = row.blob(column);
    if (bytes.size() == digest.size()) std::copy(bytes.begin(), bytes.end(), digest.begin());
  };
  read(7, event.key);
  read(8, event.digest);
  event.spent = {.prompt_tokens = row.integer(9),
                 .output_tokens = row.integer(10),
                 .calls = row.integer(11),
                 .money_micros = row.integer(12),
                 .time = std::chrono::nanoseconds(row.integer(13)),
                 .cached_tokens = row.integer(17)};
  if (!row.is_null(14)) event.code = error_code_named(row.text(14));
  event.message = row.text(15);
  return event;
}

constexpr std::string_view kEventColumns =
    "SELECT id, kind, path, label, attempt, begin_ns, duration_ns, key, digest, prompt_tokens, "
    "output_tokens, calls, money_micros, time_ns, code, message, bytes, cached_tokens FROM event "
    "WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

const std::array<std::string, 2>& migrations() {
  // A key of an event is its run's number shifted by 32 bits, and its own: one integer is the
  // smallest index there is, and events of a run lie together.
  static const std::array<std::string, 2> steps = {R"sql(
CREATE TABLE program(hash TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE run(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, program TEXT NOT NULL,
  parent TEXT, seed INTEGER NOT NULL, started_ns INTEGER NOT NULL, ended_ns INTEGER,
  status INTEGER NOT NULL, inputs BLOB, error TEXT, seal BLOB);
CREATE TABLE event(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, path TEXT NOT NULL, label TEXT,
  attempt INTEGER NOT NULL, begin_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, key BLOB,
  digest BLOB, bytes BLOB, prompt_tokens INTEGER, output_tokens INTEGER, calls INTEGER,
  money_micros INTEGER, time_ns INTEGER, code TEXT, message TEXT);
CREATE TABLE note(run INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(run, name)) WITHOUT ROWID;
CREATE TABLE run_document(document TEXT NOT NULL, run INTEGER NOT NULL,
  PRIMARY KEY(document, run)) WITHOUT ROWID;
)sql",
                                                   R"sql(
ALTER TABLE event ADD COLUMN cached_tokens INTEGER;
)sql"};
  return steps;
}

}  // namespace

std::string seal_place(std::int64_t run, std::int64_t seq) {
  return std::to_string(run) + "/" + std::to_string(seq);
}

Result<void> each_event(
    storage::Database& database, std::int64_t run,
    const std::function<Result<void>(TraceEvent, std::span<const std::byte>)>& visit) {
  WEFT_TRY(rows, database.prepare(kEventColumns, run << 32, (run << 32) | 0xffff'ffff));
  while (true) {
    WEFT_TRY(more, rows.step());
    if (!more) return {};
    WEFT_TRY_VOID(visit(read_event(rows), rows.blob(16)));
  }
}

Result<std::string> program_json(storage::Database& database, const std::string& hash) {
  WEFT_TRY(select, database.prepare("SELECT json FROM program WHERE hash=?1", hash));
  WEFT_TRY(is_there, select.step());
  if (!is_there) return Error{ErrorCode::kCorrupt, "the trace lacks a run's program"};
  return std::string(select.text(0));
}

Result<std::unique_ptr<Trace>> Trace::open(const std::filesystem::path& path,
                                           const Options& options) {
  WEFT_TRY(database, storage::Database::open(
                         path, {.mode = options.create ? storage::Database::Mode::kCreate
                                                       : storage::Database::Mode::kReadWrite}));
  WEFT_TRY_VOID(storage::migrate(database, migrations()));
  if (options.durability == Durability::kProcess) {
    WEFT_TRY_VOID(database.execute("PRAGMA synchronous=NORMAL"));
  }
  std::filesystem::path locks_path = path;
  locks_path += ".lock";
  WEFT_TRY(locks, storage::RangeLocks::open(locks_path));
  return std::unique_ptr<Trace>(
      new Trace(std::make_shared<State>(std::move(database), std::move(locks))));
}

Trace::~Trace() = default;

Trace::State::State(storage::Database opened, std::shared_ptr<storage::RangeLocks> run_locks)
    : locks(std::move(run_locks)), database(std::move(opened)), writer_([this] { write_all(); }) {}

Trace::State::~State() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_writer_.notify_one();
  writer_.join();
}

void Trace::State::push(EventRow row) {
  const std::lock_guard lock(mutex_);
  ++pushed_;
  queue_.push_back(std::move(row));
  if (queue_.size() == 1) wake_writer_.notify_one();
}

void Trace::State::wait_for_room() {
  std::unique_lock lock(mutex_);
  wake_waiting_.wait(lock, [this] { return queue_.size() < kWaitingMax || error_; });
}

Result<void> Trace::State::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t all = pushed_;
  wake_waiting_.wait(lock, [&] { return written_ >= all || error_; });
  if (error_) return *error_;
  return {};
}

Result<void> Trace::State::error() {
  const std::lock_guard lock(mutex_);
  if (error_) return *error_;
  return {};
}

void Trace::State::write_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_writer_.wait(lock, [this] { return ends_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::deque<EventRow> rows = std::exchange(queue_, {});
    wake_waiting_.notify_all();
    const bool may_write = !error_;
    lock.unlock();
    Result<void> written;
    if (may_write) written = guarded([&] { return write(rows); });
    const std::size_t count = rows.size();
    rows.clear();
    lock.lock();
    if (!written) error_ = std::move(written).error().with_context("the trace can't be written");
    written_ += count;
    wake_waiting_.notify_all();
  }
}

Result<void> Trace::State::write(const std::deque<EventRow>& rows) {
  const std::lock_guard lock(database_mutex);
  WEFT_TRY(transaction, storage::Transaction::begin(database));
  for (const EventRow& row : rows) WEFT_TRY_VOID(append(database, row));
  return transaction.commit();
}

Result<RunRow> Trace::State::find(std::string_view id) {
  return with_database([&](storage::Database& open) -> Result<RunRow> {
    WEFT_TRY(select,
             open.prepare("SELECT id, name, program, seed, started_ns, status, seal, inputs "
                          "FROM run WHERE name BETWEEN ?1 AND ?1 || '~' ORDER BY name LIMIT 2",
                          id));
    WEFT_TRY(is_there, select.step());
    if (!is_there) {
      return Error{ErrorCode::kNotFound, "the trace " + open.path().string() + " holds no run \"" +
                                             std::string(id) + "\"; see `weft trace list`"};
    }
    RunRow row;
    row.id = select.integer(0);
    row.name = select.text(1);
    row.program_hash = select.text(2);
    row.seed = static_cast<std::uint64_t>(select.integer(3));
    row.started = UnixTime(std::chrono::duration_cast<UnixTime::duration>(
        std::chrono::nanoseconds(select.integer(4))));
    row.status = static_cast<RunStatus>(select.integer(5));
    if (!select.is_null(6)) {
      const auto key = select.blob(6);
      if (key.size() != sizeof(storage::SealKey)) {
        return Error{ErrorCode::kCorrupt, "the key of run " + row.name + " has a wrong length"};
      }
      std::copy(key.begin(), key.end(), row.key.emplace().begin());
    }
    const auto inputs = select.blob(7);
    row.inputs.assign(inputs.begin(), inputs.end());
    if (row.name == id) return row;
    WEFT_TRY(another, select.step());
    if (another) {
      return Error{ErrorCode::kInvalidArgument,
                   "several runs begin with \"" + std::string(id) + "\": give more of the id"};
    }
    return row;
  });
}

}  // namespace weft::planner
