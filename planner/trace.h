#pragma once
// What runs did, in one SQLite file: to go on after a crash, to replay without calling anything,
// to try a run again with one value changed, and to see where tokens, time and money went.
// Rows are appended and never changed, but for a run's own. Values are sealed with a key a run;
// forget() destroys the keys of the runs that used a document.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/scope.h"
#include "base/sha256.h"
#include "planner/value.h"

namespace weft::planner {

enum class RunStatus {
  kRunning,
  kDone,
  kFailed,
  kCancelled,
  kSuspended,    // waits for answers; see AnyRun::questions()
  kInterrupted,  // its process ended without a word
};
std::string_view to_string(RunStatus status) noexcept;

struct TraceRun {
  std::string id;  // such as "20261127-061205-3f9a2c"
  RunStatus status = RunStatus::kRunning;
  std::string program_hash;  // AnyProgram::hash()
  std::string parent;        // the run that it was forked from
  UnixTime started;
  std::chrono::nanoseconds duration{0};  // from its start to its last event
  Spend spent;
  std::int64_t nodes = 0;  // outcomes
  std::string error;       // of one that failed
  bool is_redacted = false;
};

struct TraceEvent {
  enum class Kind {
    kIntent,    // a node of Effect::kOnce is about to be called
    kDone,      // with its value
    kRetried,   // an attempt failed, and another one follows
    kMissing,   // failed, and a collecting map goes on without it
    kFailed,    // the run failed with it, or was stopped at it: a resumed run tries it again
    kAsked,     // a person; the value is the question
    kAnswered,  // the value is the answer
    kBoundReached,
  };
  std::int64_t seq = 0;
  Kind kind = Kind::kDone;
  std::string path;
  std::string label;  // what its function says of itself: Function::label
  int attempt = 0;
  std::chrono::nanoseconds begin{0};  // since the run's start
  std::chrono::nanoseconds end{0};
  Digest key{};     // of path, code, version and inputs
  Digest digest{};  // of the value
  Spend spent;
  std::optional<ErrorCode> code;
  std::string message;
};
std::string_view to_string(TraceEvent::Kind kind) noexcept;

/// What an acknowledged node survives: the end of the process, or of the machine's power.
enum class Durability { kProcess, kPower };

/// Thread-safe. Several processes may have the file open; one at a time works on a run.
class Trace {
 public:
  struct Options {
    Durability durability = Durability::kProcess;
    bool create = true;  // else a missing file is an error
  };

  /// Errors: kNotFound, kIo, kCorrupt, kUnsupported if a newer program made it.
  static Result<std::unique_ptr<Trace>> open(const std::filesystem::path& path,
                                             const Options& options);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /// Newest first.
  Result<std::vector<TraceRun>> runs(std::size_t count_max = 100);
  /// `id` may be a beginning of it that only one has. Errors: kNotFound, kInvalidArgument if
  /// several have it.
  Result<TraceRun> run(std::string_view id);
  Result<std::vector<TraceEvent>> events(std::string_view id);
  /// The program's JSON. Errors: kNotFound.
  Result<std::string> program(std::string_view id);
  /// The encoded value of an event; see decode(). Errors: kNotFound if it has none;
  /// kPermissionDenied if it is redacted.
  Result<std::vector<std::byte>> value(std::string_view id, std::int64_t seq);

  /// A text about a run, such as the file it came from or what was forecast for it.
  Result<void> set_note(std::string_view id, std::string_view name, std::string_view text);
  Result<std::optional<std::string>> note(std::string_view id, std::string_view name);

  /// Destroys the values of all runs that used the document. Returns how many they were.
  Result<std::size_t> forget(std::string_view document);
  /// Deletes runs that ended before `time`, and suspended ones too if told. Returns how many.
  Result<std::size_t> collect_garbage(UnixTime before, bool suspended_too = false);

 private:
  friend class Recorder;
  struct State;
  explicit Trace(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace weft::planner
