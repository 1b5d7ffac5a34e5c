#pragma once
// One run: which nodes are ready, running, waiting; what they made. Inside planner only.

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "planner/recorder.h"
#include "planner/runtime.h"

namespace weft::planner {

/// A control node that is being run.
struct Control {
  Parts parts;                  // of a kCollect or kMap: what was made
  std::vector<Value> elements;  // of its list
  std::size_t next = 0;         // of them, the first that has no frame yet
  std::size_t fresh = 0;        // elements with a frame of which no node has started
  std::vector<Value> results;   // by element; empty where it is missing
  std::size_t left = 0;         // elements
  int iteration = 0;            // of a kLoop
};

/// One instance of a Body: the run's, an element's, an iteration's. Under the run's lock, but for
/// the cells that a running node reads.
struct Frame {
  struct Cell {
    Value value;
    std::uint32_t readers = 0;  // still to come; the value is dropped after the last
  };

  const Body* body = nullptr;
  std::shared_ptr<const Body> made_body;  // owned, of a kPlan
  std::shared_ptr<Frame> parent;
  std::uint32_t node = 0;   // of the parent, that this one is inside of
  std::int64_t index = -1;  // element or iteration
  Scope* scope = nullptr;
  std::int64_t priority = 0;  // the longest path behind this frame, in ns
  bool failed = false;
  bool started = false;                // one of its nodes, or of those inside
  std::size_t unfinished = 0;          // nodes
  std::vector<Cell> cells;             // a slot each
  std::vector<std::uint32_t> pending;  // inputs that a node lacks
  std::map<std::uint32_t, Control> controls;

  std::string path(std::uint32_t which) const;
};

/// A node to run.
struct Item {
  std::int64_t priority = 0;
  std::uint64_t seq = 0;  // of becoming ready
  std::shared_ptr<Frame> frame;
  std::uint32_t node = 0;
  int attempt = 1;

  const Node& what() const { return frame->body->nodes[node]; }
};

struct LaterFirst {
  bool operator()(const Item& a, const Item& b) const {
    return a.priority != b.priority ? a.priority < b.priority : a.seq > b.seq;
  }
};

/// How an attempt ended.
struct Ended {
  Item item;
  Result<Value> result;
  std::optional<Reservation> reservation;
  std::optional<Spend> used;
  // Of a run with a trace:
  SteadyTime begin;
  std::vector<std::string> documents;
  Digest key{};
  std::optional<std::vector<std::byte>> bytes;  // of its value
};

class RunState : public std::enable_shared_from_this<RunState> {
 public:
  /// `recorder` may be null.
  RunState(Executor& executor, const AnyProgram& program, const RunOptions& options,
           std::unique_ptr<Recorder> recorder);

  /// Once, after construction; `values` in the order of the body's inputs.
  void start(std::vector<Value> values, bool caller_works);
  void cancel() { scope_.request_stop(); }
  Result<Value> wait();
  Report report() const;

  /// The loop of one worker of a lane; a caller's thread isn't the lane's to give to another run.
  void work(LaneKind lane, bool is_caller = false);
  /// An attempt that work() didn't wait for has ended; on_worker: it kept a worker of its lane.
  void ended(Ended end, bool on_worker);
  Executor& executor() noexcept { return executor_; }

  std::vector<Question> questions() const;
  Result<void> answer(const std::string& path, Value value);
  std::string id() const { return recorder_ == nullptr ? "" : recorder_->id(); }

 private:
  friend class Attempt;
  using Lock = std::unique_lock<std::mutex>;
  struct Taken {
    Item item;
    std::optional<Reservation> reservation;
  };
  struct OnStop {
    RunState* run;
    void operator()() const {
      run->settle_from_outside(ErrorCode::kCancelled, "the run was cancelled");
    }
  };

  Ctx context(const Item& item);
  std::optional<Taken> take(std::size_t lane);
  std::vector<Taken> take_siblings(std::size_t lane, const Item& like);
  std::optional<Taken> admit(Item item);
  /// Runs code that returns its value. True: the lock and the worker are ours again; false: the
  /// attempt's end has the worker.
  bool run_here(Taken taken, Lock& lock);
  void start_later(std::vector<Taken> taken, Lock& lock);
  void finish(Ended end);
  bool retry(Ended& end, const Spend& spent);
  void settle_from_outside(ErrorCode code, const char* why);
  void leave(Lock& lock);

  // The graph's rules: planner/run_graph.cpp.
  static std::shared_ptr<Frame> new_frame(const std::shared_ptr<Frame>& parent, std::uint32_t node,
                                          const Body& body);
  std::shared_ptr<Frame> open_frame(const std::shared_ptr<Frame>& parent, std::uint32_t node,
                                    std::size_t which, std::int64_t index, Value own);
  /// A child of its parent's that ends when its time is up.
  Scope* open_scope(const std::shared_ptr<Frame>& frame, const Node& around);
  void end_scope(const std::weak_ptr<Frame>& of, Scope& scope);
  void drop_scope_ends();
  void enter_plan(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void fill_frame(const std::shared_ptr<Frame>& frame, std::vector<Value> values);
  void deliver(const std::shared_ptr<Frame>& frame, Slot slot, Value value);
  void ready(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void enter(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void mark_started(Frame& frame);
  void open_elements(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void enter_map(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void complete(std::shared_ptr<Frame> frame, std::uint32_t node, Value value);
  void frame_done(const std::shared_ptr<Frame>& frame);
  void element_done(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  Value joined(const Frame& frame, std::uint32_t node, const Parts& parts) const;
  void fail(const std::shared_ptr<Frame>& frame, std::uint32_t node, const Error& error,
            int attempt, const Spend& spent);
  bool is_dead(const Frame& frame) const;
  void drain();

  // What a trace keeps and gives back: planner/run_trace.cpp.
  Digest key_of(const Frame& frame, std::uint32_t node) const;
  void prepare(Ended& end);
  Result<void> intend(const Item& item);
  void record(Ended& end, TraceEvent::Kind kind, const Error* error, const Spend& spent);
  void record_failure(const Frame& frame, std::uint32_t node, const Error& error, int attempt,
                      const Spend& spent);
  bool recall(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  bool recall_control(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  bool give_if_fits(const std::shared_ptr<Frame>& frame, std::uint32_t node, TraceEvent::Kind kind,
                    const Value& value);
  bool recall_unknown(const std::shared_ptr<Frame>& frame, std::uint32_t node, Past past);
  void take_over(const Past& past, const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void give(const std::shared_ptr<Frame>& frame, std::uint32_t node, TraceEvent::Kind kind,
            Value value);
  bool recall_answer(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  void refuse(const Frame& frame, std::uint32_t node, Error error);
  void ask(const std::shared_ptr<Frame>& frame, std::uint32_t node);
  std::vector<Question> open_questions() const;
  void suspend_if_idle();
  void close_trace();

  void push(Item item);
  void unpark();
  void settle(Result<Value> result);
  void post_tickets();
  void emit(Event::Kind kind, const Frame& frame, std::uint32_t node, int attempt,
            const Spend& spent = {}, const Error* error = nullptr);

  Executor& executor_;
  const std::shared_ptr<const Body> body_;
  const RunOptions options_;
  Scope scope_;
  const SteadyTime begin_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::array<std::priority_queue<Item, std::vector<Item>, LaterFirst>, kLanes> ready_;
  std::array<std::size_t, kLanes> active_{};  // workers, and tickets that will become one
  std::array<std::size_t, kLanes> claims_{};  // of them, those that will look at ready_ again
  std::uint64_t tickets_ = 0;                 // posted
  std::deque<Item> parked_;                   // until a reservation ends
  std::size_t reservations_ = 0;
  std::size_t in_flight_ = 0;                    // attempts
  std::map<std::uint64_t, Timers::Id> waiting_;  // retries
  struct Made {
    std::shared_ptr<Frame> frame;
    std::uint32_t node = 0;
    Value value;  // empty: the frame itself has ended
  };
  std::deque<Made> made_;  // still to be handed on: a list instead of recursion
  std::deque<std::pair<std::shared_ptr<Frame>, std::uint32_t>> growing_;  // maps to open more of
  std::vector<std::unique_ptr<Scope>> scopes_;  // of kScope nodes; they end with the run
  std::unordered_map<const Frame*, Timers::Id> scope_ends_;  // of those that have a time
  const std::unique_ptr<Recorder> recorder_;                 // null: nothing is recorded
  struct Asked {
    std::shared_ptr<Frame> frame;
    std::uint32_t node = 0;
  };
  std::map<std::string, Asked> asked_;  // by path
  std::vector<Question> left_open_;     // when the run was suspended
  bool is_closed_ = false;              // the trace
  bool recalls_failure_ = false;        // one that the trace has already
  std::uint64_t next_ = 0;
  std::uint64_t events_ = 0;
  std::optional<Result<Value>> result_;
  bool stop_wanted_ = false;
  bool done_ = false;
  Report report_;
  std::optional<Timers::Id> deadline_;
  std::optional<std::stop_callback<OnStop>> on_stop_;
};

/// An attempt that outlives the call of its code. Owned by whoever will finish it: when the last
/// owner lets it go unfinished, it fails.
class Attempt final : public Call, public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(std::shared_ptr<RunState> run, const Ctx& ctx, Item item,
          std::optional<Reservation> reservation, bool on_worker);
  ~Attempt() override;

  /// From here on a stop and the timeout may end it.
  void arm();
  /// Ends as `result` says in `after`, unless a stop or the timeout comes first.
  void finish_in(std::chrono::nanoseconds after, Result<Value> result);

  Ctx& ctx() noexcept override { return ctx_; }
  const Value& argument(std::size_t index) const noexcept override { return arguments_[index]; }
  void finish(Result<Value> result) override { end(std::move(result), true); }

  /// Ends it on the caller's worker, which hands the end on.
  Ended take_end(Result<Value> result);

  /// A scope that stops when the attempt's time is up.
  void limit_time();
  bool is_late() const;

 private:
  void end(Result<Value> result, bool reported);
  void hand_on(Result<Value> result, bool reported);
  void drop_timer();
  struct OnStop {
    Attempt* attempt;
    void operator()() const;
  };

  const std::shared_ptr<RunState> run_;
  const SteadyTime begin_;
  Item item_;
  std::optional<Reservation> reservation_;
  const bool on_worker_;
  std::vector<Value> arguments_;
  std::unique_ptr<Scope> own_scope_;
  Ctx ctx_;
  std::atomic<bool> ended_{false};
  std::optional<Timers::Id> timer_;
  std::optional<std::stop_callback<OnStop>> on_stop_;
};

}  // namespace weft::planner
