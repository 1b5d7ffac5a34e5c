// What people ask a trace, and what they have it forget.

#include "planner/trace.h"

#include <array>

#include "planner/trace_store.h"

namespace weft::planner {
namespace {

using storage::Database;

UnixTime unix_time(std::int64_t nanoseconds) {
  return UnixTime(
      std::chrono::duration_cast<UnixTime::duration>(std::chrono::nanoseconds(nanoseconds)));
}

/// The runs, newest first, that `where` lets through.
Result<std::vector<TraceRun>> select_runs(Database& database, const std::string& where,
                                          std::int64_t value, std::size_t count_max) {
  WEFT_TRY(rows,
           database.prepare(
               "SELECT run.id, name, program, parent, started_ns, status, error, "
               "seal IS NULL, max(begin_ns + duration_ns), sum(prompt_tokens), "
               "sum(output_tokens), sum(calls), sum(money_micros), "
               "sum(event.time_ns), sum(kind = 1), sum(cached_tokens) FROM run LEFT JOIN event ON "
               "event.id BETWEEN run.id << 32 AND (run.id << 32) | 4294967295 " +
                   where + " GROUP BY run.id ORDER BY run.id DESC LIMIT ?2",
               value, static_cast<std::int64_t>(count_max)));
  std::vector<TraceRun> runs;
  while (true) {
    WEFT_TRY(more, rows.step());
    if (!more) return runs;
    TraceRun run;
    run.id = rows.text(1);
    run.program_hash = rows.text(2);
    run.parent = rows.text(3);
    run.started = unix_time(rows.integer(4));
    run.status = static_cast<RunStatus>(rows.integer(5));
    run.error = rows.text(6);
    run.is_redacted = rows.integer(7) != 0;
    run.duration = std::chrono::nanoseconds(rows.integer(8));
    run.spent = {.prompt_tokens = rows.integer(9),
                 .output_tokens = rows.integer(10),
                 .calls = rows.integer(11),
                 .money_micros = rows.integer(12),
                 .time = std::chrono::nanoseconds(rows.integer(13)),
                 .cached_tokens = rows.integer(15)};
    run.nodes = rows.integer(14);
    runs.push_back(std::move(run));
  }
}

Result<void> redact(Database& database, std::int64_t run) {
  for (const char* sql :
       {"UPDATE run SET seal=NULL, inputs=NULL, error=NULL WHERE id=?1",
        "UPDATE event SET bytes=NULL, digest=NULL, key=NULL, message=NULL "
        "WHERE id BETWEEN ?1 << 32 AND (?1 << 32) | 4294967295",
        "DELETE FROM note WHERE run=?1", "DELETE FROM run_document WHERE run=?1"}) {
    WEFT_TRY(statement, database.prepare(sql, run));
    WEFT_TRY_VOID(statement.run());
  }
  return {};
}

Result<void> remove(Database& database, std::int64_t run) {
  for (const char* sql :
       {"DELETE FROM run WHERE id=?1",
        "DELETE FROM event WHERE id BETWEEN ?1 << 32 AND (?1 << 32) | 4294967295",
        "DELETE FROM note WHERE run=?1", "DELETE FROM run_document WHERE run=?1"}) {
    WEFT_TRY(statement, database.prepare(sql, run));
    WEFT_TRY_VOID(statement.run());
  }
  return {};
}

Result<std::vector<std::int64_t>> numbers(storage::Statement statement) {
  std::vector<std::int64_t> found;
  while (true) {
    WEFT_TRY(more, statement.step());
    if (!more) return found;
    found.push_back(statement.integer(0));
  }
}

}  // namespace

std::string_view to_string(RunStatus status) noexcept {
  constexpr std::array<std::string_view, 6> kNames = {"running",   "done",      "failed",
                                                      "cancelled", "suspended", "interrupted"};
  const auto index = static_cast<std::size_t>(status);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string_view to_string(TraceEvent::Kind kind) noexcept {
  constexpr std::array<std::string_view, 8> kNames = {"intent", "done",  "retried",  "missing",
                                                      "failed", "asked", "answered", "bound"};
  const auto index = static_cast<std::size_t>(kind);
  return index < kNames.size() ? kNames[index] : "unknown";
}

Result<std::vector<TraceRun>> Trace::runs(std::size_t count_max) {
  WEFT_TRY(runs, state_->with_database([&](Database& database) {
    return select_runs(database, "WHERE ?1", 1, count_max);
  }));
  for (TraceRun& run : runs) {
    if (run.status != RunStatus::kRunning) continue;
    WEFT_TRY(row, state_->find(run.id));
    if (state_->locks->acquire(row.id)) run.status = RunStatus::kInterrupted;
  }
  return runs;
}

Result<TraceRun> Trace::run(std::string_view id) {
  WEFT_TRY(row, state_->find(id));
  WEFT_TRY(runs, state_->with_database([&](Database& database) {
    return select_runs(database, "WHERE run.id=?1", row.id, 1);
  }));
  if (runs.empty()) return Error{ErrorCode::kNotFound, "run " + row.name + " was just deleted"};
  TraceRun run = std::move(runs.front());
  if (run.status == RunStatus::kRunning && state_->locks->acquire(row.id)) {
    run.status = RunStatus::kInterrupted;
  }
  return run;
}

Result<std::vector<TraceEvent>> Trace::events(std::string_view id) {
  WEFT_TRY(row, state_->find(id));
  std::vector<TraceEvent> events;
  const auto read = state_->with_database([&](Database& database) {
    return each_event(database, row.id,
                      [&](TraceEvent event, std::span<const std::byte>) -> Result<void> {
                        events.push_back(std::move(event));
                        return {};
                      });
  });
  WEFT_TRY_VOID(read);
  return events;
}

Result<std::string> Trace::program(std::string_view id) {
  WEFT_TRY(row, state_->find(id));
  return state_->with_database(
      [&](Database& database) { return program_json(database, row.program_hash); });
}

Result<std::vector<std::byte>> Trace::value(std::string_view id, std::int64_t seq) {
  WEFT_TRY(row, state_->find(id));
  if (!row.key) {
    return Error{ErrorCode::kPermissionDenied,
                 "run " + row.name + " is redacted: a document that it used was forgotten"};
  }
  // The bytes may be with an earlier event of the same value.
  return state_->with_database([&](Database& database) -> Result<std::vector<std::byte>> {
    WEFT_TRY(select, database.prepare(
                         "SELECT id & 4294967295, bytes FROM event WHERE id BETWEEN ?1 AND ?2 AND "
                         "bytes IS NOT NULL AND digest=(SELECT digest FROM event WHERE id=?2)",
                         row.id << 32, (row.id << 32) | seq));
    WEFT_TRY(is_there, select.step());
    if (!is_there) return Error{ErrorCode::kNotFound, "this event has no value"};
    return storage::unseal(*row.key, seal_place(row.id, select.integer(0)), select.blob(1));
  });
}

Result<void> Trace::set_note(std::string_view id, std::string_view name, std::string_view text) {
  WEFT_TRY(row, state_->find(id));
  return state_->with_database([&](Database& database) -> Result<void> {
    WEFT_TRY(save, database.prepare("INSERT OR REPLACE INTO note VALUES(?1, ?2, ?3)", row.id, name,
                                    text));
    return save.run();
  });
}

Result<std::optional<std::string>> Trace::note(std::string_view id, std::string_view name) {
  WEFT_TRY(row, state_->find(id));
  return state_->with_database([&](Database& database) -> Result<std::optional<std::string>> {
    WEFT_TRY(select,
             database.prepare("SELECT text FROM note WHERE run=?1 AND name=?2", row.id, name));
    WEFT_TRY(is_there, select.step());
    if (!is_there) return std::optional<std::string>();
    return std::optional<std::string>(select.text(0));
  });
}

Result<std::size_t> Trace::forget(std::string_view document) {
  WEFT_TRY(count, state_->with_database([&](Database& database) -> Result<std::size_t> {
    WEFT_TRY(transaction, storage::Transaction::begin(database));
    WEFT_TRY(select, database.prepare("SELECT run FROM run_document WHERE document=?1", document));
    WEFT_TRY(linked, numbers(std::move(select)));
    for (const std::int64_t run : linked) WEFT_TRY_VOID(redact(database, run));
    WEFT_TRY_VOID(transaction.commit());
    // What was overwritten still stands in the log until it is emptied.
    if (!linked.empty()) WEFT_TRY_VOID(database.checkpoint());
    return linked.size();
  }));
  return count;
}

Result<std::size_t> Trace::collect_garbage(UnixTime before, bool suspended_too) {
  const std::int64_t until =
      std::chrono::duration_cast<std::chrono::nanoseconds>(before.time_since_epoch()).count();
  return state_->with_database([&](Database& database) -> Result<std::size_t> {
    WEFT_TRY(transaction, storage::Transaction::begin(database));
    WEFT_TRY(select,
             database.prepare("SELECT id FROM run WHERE coalesce(ended_ns, started_ns) < ?1 AND "
                              "(status <> ?2 OR ?3)",
                              until, static_cast<std::int64_t>(RunStatus::kSuspended),
                              std::int64_t{suspended_too ? 1 : 0}));
    WEFT_TRY(old, numbers(std::move(select)));
    std::size_t removed = 0;
    for (const std::int64_t run : old) {
      if (!state_->locks->acquire(run)) continue;  // somebody works on it
      WEFT_TRY_VOID(remove(database, run));
      ++removed;
    }
    WEFT_TRY_VOID(
        database.execute("DELETE FROM program WHERE hash NOT IN (SELECT program FROM run)"));
    WEFT_TRY_VOID(transaction.commit());
    if (removed > 0) WEFT_TRY_VOID(database.execute("VACUUM"));
    WEFT_TRY_VOID(database.checkpoint());
    return removed;
  });
}

}  // namespace weft::planner
