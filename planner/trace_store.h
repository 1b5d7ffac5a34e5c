#pragma once
// The trace's file: its tables, and the one thread that appends to them, as many rows a commit as
// have come meanwhile. Inside planner only.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "planner/trace.h"
#include "storage/database.h"
#include "storage/range_lock.h"
#include "storage/sealed_bytes.h"

namespace weft::planner {

/// A run's row, and what its values are sealed with.
struct RunRow {
  std::int64_t id = 0;
  std::string name;
  std::string program_hash;
  std::uint64_t seed = 0;
  UnixTime started;
  RunStatus status = RunStatus::kRunning;
  std::optional<storage::SealKey> key;  // none: it was redacted
  std::vector<std::byte> inputs;        // sealed
};

/// How a run ended.
struct RunEnd {
  RunStatus status = RunStatus::kDone;
  std::string error;
  std::chrono::nanoseconds at{0};  // since its start
};

/// An event to append, or the run's end.
struct EventRow {
  std::shared_ptr<const RunRow> run;
  TraceEvent event;
  std::optional<std::vector<std::byte>> bytes;  // of the value, not sealed yet
  std::vector<std::string> documents;
  std::optional<RunEnd> end;  // instead of the event
};

/// Where a value belongs, for seal().
std::string seal_place(std::int64_t run, std::int64_t seq);

/// A run's events in their order, each with its sealed value. Stops at the first error.
Result<void> each_event(
    storage::Database& database, std::int64_t run,
    const std::function<Result<void>(TraceEvent, std::span<const std::byte>)>& visit);

/// The JSON of the program with this hash. Errors: kCorrupt if it isn't there.
Result<std::string> program_json(storage::Database& database, const std::string& hash);

struct Trace::State {
  State(storage::Database opened, std::shared_ptr<storage::RangeLocks> run_locks);
  ~State();

  /// Appends in this order; at most wait_for_room() many rows stay unwritten.
  void push(EventRow row);
  /// Waits while the writer is far behind.
  void wait_for_room();
  /// Waits until all that was pushed is written. Errors: what the writer met; it then writes no
  /// more.
  Result<void> flush();
  Result<void> error();

  /// Runs fn(Database&) alone on the connection, after what was pushed before.
  template <typename F>
  auto with_database(F fn) -> std::invoke_result_t<F&, storage::Database&> {
    WEFT_TRY_VOID(flush());
    const std::lock_guard lock(database_mutex);
    return fn(database);
  }

  Result<RunRow> find(std::string_view id);

  const std::shared_ptr<storage::RangeLocks> locks;

 private:
  void write_all();
  Result<void> write(const std::deque<EventRow>& rows);

  std::mutex database_mutex;
  storage::Database database;

  std::mutex mutex_;
  std::condition_variable wake_writer_;
  std::condition_variable wake_waiting_;
  std::deque<EventRow> queue_;
  std::uint64_t pushed_ = 0;
  std::uint64_t written_ = 0;
  std::optional<Error> error_;
  bool ends_ = false;
  std::thread writer_;
};

}  // namespace weft::planner
