#pragma once
// One run's side of a Trace: what it has of earlier, and what it adds. Inside planner only.

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "planner/program.h"
#include "planner/runtime.h"
#include "planner/trace_store.h"

namespace weft::planner {

/// What a trace knows of a node.
struct Past {
  TraceEvent::Kind kind = TraceEvent::Kind::kDone;  // kIntent: nobody knows how its call ended
  Digest key{};
  Digest digest{};
  int attempt = 0;
  Spend spent;
  std::optional<ErrorCode> code;
  std::string message;
  std::int64_t stored = 0;  // seq of the event with its bytes
};

/// Thread-safe where it says so; else under the run's lock.
class Recorder {
 public:
  enum class Mode {
    kRecord,  // a new run
    kResume,  // goes on with one
    kReplay,  // calls nothing, writes nothing
    kFork,    // a new run that takes over whatever has the same key
  };

  static Result<std::unique_ptr<Recorder>> begin(Trace& trace, const AnyProgram& program,
                                                 const std::vector<Value>& inputs,
                                                 const RunOptions& options, const Clock& clock);
  struct Request {
    Mode mode = Mode::kResume;
    Resumption resumption;
    std::map<std::string, std::string> notes;  // of a fork
  };
  /// Errors: kConflict if somebody works on the run, or `program` isn't its program;
  /// kInvalidArgument if it is done, or lacks an input that a fork's program has; kPermissionDenied
  /// if it is redacted; those of Trace::run().
  static Result<std::unique_ptr<Recorder>> open(Trace& trace, std::string_view id,
                                                const Request& request, const AnyProgram& program,
                                                const Clock& clock);

  Mode mode() const noexcept { return mode_; }
  const std::string& id() const noexcept { return run_->name; }
  std::uint64_t seed() const noexcept { return run_->seed; }
  /// The run's, in the order of the program's. Errors: kCorrupt.
  Result<std::vector<Value>> inputs(const AnyProgram& program) const;

  /// Spent by attempts that failed before: what is recalled doesn't count it.
  const Spend& lost() const noexcept { return lost_; }

  /// What a person gives at a path: an answer, or what a node whose end is unknown has done; of a
  /// fork, also what a node shall have given. Null if nothing; else it counts as used.
  const Value* given(const std::string& path);
  /// Whether a person wants the node at a path to be called again; of a fork, also all that is
  /// inside of one. Counts as used.
  bool is_redone(const std::string& path);
  /// What of the two no node has asked for.
  std::vector<std::string> unused() const;

  /// Whether anything is known, or given, that may stand in for running a node.
  bool may_recall() const noexcept { return !past_.empty() || !resumption_.given.empty(); }
  /// Takes it out.
  std::optional<Past> take_past(const std::string& path);
  /// The same, but only if it has this key.
  std::optional<Past> take_past(const std::string& path, const Digest& key);
  /// Errors: kCorrupt.
  Result<Value> value(const Past& past, const Type& type) const;

  /// `event` without seq; of `bytes`, those that the run has stored already aren't stored again.
  void record(TraceEvent event, std::optional<std::vector<std::byte>> bytes = {},
              std::vector<std::string> documents = {});
  /// Now on the run's own time, which goes on over resumptions.
  std::chrono::nanoseconds now() const;
  std::chrono::nanoseconds at(SteadyTime time) const;

  // Thread-safe:
  Result<void> flush() { return state_->flush(); }
  void wait_for_room() { state_->wait_for_room(); }
  Result<void> error() { return state_->error(); }

  /// Once, when nothing of the run is left. Errors: what kept its last rows from being written.
  Result<void> close(RunStatus status, const std::string& error);

 private:
  Recorder(std::shared_ptr<Trace::State> state, const Clock& clock)
      : state_(state), clock_(clock) {}
  struct Birth {
    std::uint64_t seed = 0;
    std::string parent;  // whose documents are its own, too
    std::map<std::string, std::string> notes;
    std::vector<std::string> documents;
  };
  Result<void> create(const AnyProgram& program, const Birth& birth,
                      std::span<const std::byte> inputs);
  Result<void> lock();
  Result<void> load(const RunRow& run);
  Result<void> fork(const RunRow& from, const AnyProgram& program, const Request& request);
  void remember(TraceEvent event, std::int64_t stored);

  std::shared_ptr<Trace::State> state_;
  const Clock& clock_;
  Mode mode_ = Mode::kRecord;
  std::shared_ptr<const RunRow> run_;
  std::optional<storage::RangeLocks::Held> held_;
  std::vector<std::byte> inputs_;  // encoded
  std::int64_t next_seq_ = 0;
  SteadyTime steady_start_;
  std::chrono::nanoseconds offset_{0};  // of the run's time at steady_start_

  Resumption resumption_;
  std::set<std::string> used_;  // of its paths

  Spend lost_;
  std::unordered_map<std::string, Past> past_;
  std::unordered_map<std::int64_t, std::vector<std::byte>> values_;  // by seq, encoded
  struct Hash {
    std::size_t operator()(const Digest& digest) const noexcept {
      std::size_t first = 0;
      std::memcpy(&first, digest.data(), sizeof first);
      return first;
    }
  };
  std::unordered_map<Digest, std::int64_t, Hash> stored_;  // seq
};

}  // namespace weft::planner
