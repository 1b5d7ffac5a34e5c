#pragma once
// Runs programs: dataflow, so a node starts as soon as its inputs are there; among those that are
// ready, the one with the longest path ahead. Nothing waits for a level of the graph to end.
// Source: Graham 1969: a schedule that keeps no worker idle is within W/p + (1 - 1/p) CP.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "planner/executor.h"
#include "planner/program.h"
#include "planner/trace.h"

namespace weft::planner {

/// A run's inputs, by name.
class Inputs {
 public:
  template <Storable T>
  Inputs& set(std::string name, T value) {
    values_.insert_or_assign(std::move(name), make_value<T>(std::move(value)));
    return *this;
  }
  Inputs& set_value(std::string name, Value value) {
    values_.insert_or_assign(std::move(name), std::move(value));
    return *this;
  }
  const std::map<std::string, Value, std::less<>>& values() const noexcept { return values_; }

 private:
  std::map<std::string, Value, std::less<>> values_;
};

/// What happened, in the run's order.
struct Event {
  enum class Kind {
    kStarted,       // an attempt
    kDone,          // a node has its value
    kRetried,       // an attempt failed, and another one follows
    kFailed,        // a node, its error in `error`; also kCancelled and kDeadlineExceeded
    kBoundReached,  // a loop ended at its bound, not by its condition
    kRecalled,      // a node of code has its value from the trace
    kAsked,         // a person; see AnyRun::questions()
  };
  std::uint64_t seq = 0;
  Kind kind = Kind::kStarted;
  std::string path;
  int attempt = 0;  // of code, from 1
  SteadyTime time;
  Spend spent;                   // by the attempt, when it ended
  const Error* error = nullptr;  // of kRetried and kFailed; until the observer returns
  const Type* type = nullptr;    // of the node's value
};

struct RunOptions {
  SpendLimit limit;
  std::chrono::nanoseconds timeout{0};  // of the run; 0 = none
  std::stop_token stop;
  Scope* parent =
      nullptr;  // whose budget, stop and deadline hold too; of the same clock, outlives the run
  std::uint64_t seed = 0;                    // of Ctx::random()
  std::size_t elements_max = 1'000'000;      // of a map
  Trace* trace = nullptr;                    // records the run; outlives it
  std::map<std::string, std::string> notes;  // by name, kept with a new run: Trace::note()
  std::vector<std::string> documents;        // that a new run's inputs are made from: Ctx::cite()
  /// Called under the run's lock, one event after the other: it must be short and not call the run.
  std::function<void(const Event&)> on_event;
};

struct Report {
  std::uint64_t nodes = 0;          // that have their value, those of graphs inside included
  std::uint64_t attempts = 0;       // at nodes of code
  std::uint64_t recalled = 0;       // nodes that have their value from a trace
  std::vector<std::string> unused;  // paths of a Resumption that no node asked for
  Spend spent;
  Spend overrun;  // beyond what was reserved, where no limit had room
  std::chrono::nanoseconds duration{0};
};

/// What a run waits for.
struct Question {
  std::string path;
  std::string text;
  const Type* type = nullptr;  // of the answer
};

/// What people say to a run that goes on, or to a fork of it.
struct Resumption {
  /// By path: answers, and what nodes of Effect::kOnce have given whose calls nobody saw end. Of a
  /// fork also what any node shall have given, a control node's whole value too, and inputs.
  std::map<std::string, Value> given;
  /// Paths of such nodes that may be called again; of a fork, of any that shall be, those inside of
  /// a control node too.
  std::set<std::string> redo;
};

class RunState;

/// A run that was started. Dropped, it is cancelled and waited for.
class AnyRun {
 public:
  explicit AnyRun(std::shared_ptr<RunState> state) : state_(std::move(state)) {}
  AnyRun(AnyRun&& other) noexcept = default;
  AnyRun& operator=(AnyRun&&) = delete;
  ~AnyRun();

  void cancel();
  /// Waits until nothing of the run is running any more. Not from a lane, which would wait for
  /// itself. Errors: what the program's node failed with, its path in front; kCancelled;
  /// kDeadlineExceeded; kResourceExhausted if a budget has no room; kSuspended if it is traced and
  /// waits for answers alone; kIo if its trace can't be written.
  Result<Value> wait_value();
  /// Those that are open.
  std::vector<Question> questions() const;
  /// Errors: kNotFound if nobody asks there, kInvalidArgument for a value of another type.
  Result<void> answer(const std::string& path, Value value);
  /// In its trace; empty without one.
  std::string id() const;
  /// Once waited for.
  Report report() const;

 private:
  std::shared_ptr<RunState> state_;
};

template <Storable T>
class Run : public AnyRun {
 public:
  explicit Run(AnyRun run) : AnyRun(std::move(run)) {}
  Result<T> wait() {
    WEFT_TRY(value, wait_value());
    return value.template as<T>();
  }
};

/// Borrows the executor, which outlives it and its runs. Thread-safe on a ThreadExecutor.
class Runtime {
 public:
  explicit Runtime(Executor& executor) : executor_(executor) {}

  /// Errors: kInvalidArgument for inputs that the program hasn't, or that are missing or of another
  /// type, and for a limit that one of its nodes alone exceeds. What else goes wrong, wait() says.
  template <Storable T>
  Result<Run<T>> start(const Program<T>& program, const Inputs& inputs,
                       const RunOptions& options = {}) {
    WEFT_TRY(run, start_any(program, inputs, options));
    return Run<T>(std::move(run));
  }
  /// Starts and waits; the calling thread works along as one of the CPU lane.
  template <Storable T>
  Result<T> run(const Program<T>& program, const Inputs& inputs, const RunOptions& options = {}) {
    WEFT_TRY(run, run_any(program, inputs, options));
    return Run<T>(std::move(run)).wait();
  }

  /// The same for programs whose result's type is known at run time only. run_any() gives back the
  /// run, which may have ended, or still have work on lanes.
  Result<AnyRun> start_any(const AnyProgram& program, const Inputs& inputs,
                           const RunOptions& options);
  Result<AnyRun> run_any(const AnyProgram& program, const Inputs& inputs,
                         const RunOptions& options);

  /// Goes on with a run of options.trace: what is recorded isn't run again. Its inputs and seed are
  /// the run's. Errors: kInvalidArgument if it is done; kConflict if another process works on it or
  /// it is another program's; kPermissionDenied if a document that it used was forgotten. A node
  /// whose code or inputs are no longer those recorded fails with kConflict, and so does one of
  /// Effect::kOnce that was called before and whose end isn't known, unless `resumption` has it.
  Result<AnyRun> resume_any(const AnyProgram& program, std::string_view id,
                            const Resumption& resumption, const RunOptions& options);
  /// Makes each recorded value again, and calls nothing. What isn't recorded fails with kNotFound.
  Result<AnyRun> replay_any(const AnyProgram& program, std::string_view id,
                            const RunOptions& options);
  /// A new run that takes over whatever of the other one still holds under this program and these
  /// changes: what follows from them runs anew, and so does what the other one never did. Nodes of
  /// Effect::kOnce among that are called. Its notes are options.notes; its seed is the other's.
  Result<AnyRun> fork_any(const AnyProgram& program, std::string_view id, const Resumption& changes,
                          const RunOptions& options);
  /// The types of the values at `paths`, as far as a recorded run came to them: those of steps
  /// inside plans too, which type_at() can't know. Calls nothing. Errors: those of replay_any().
  Result<std::map<std::string, const Type*>> recorded_types(const AnyProgram& program,
                                                            std::string_view id,
                                                            const std::set<std::string>& paths,
                                                            Trace& trace);

  template <Storable T>
  Result<Run<T>> resume(const Program<T>& program, std::string_view id,
                        const Resumption& resumption, const RunOptions& options) {
    WEFT_TRY(run, resume_any(program, id, resumption, options));
    return Run<T>(std::move(run));
  }

 private:
  Executor& executor_;
};

}  // namespace weft::planner
