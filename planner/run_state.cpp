// A run's workers: what they take, how an attempt goes, how a run ends. The lock is never held
// while a node's code runs, nor while a scope is stopped, since that calls back.

#include "planner/run_state.h"

#include <algorithm>
#include <cmath>

#include "base/guard.h"

namespace weft::planner {
namespace {

constexpr std::size_t index_of(LaneKind lane) { return static_cast<std::size_t>(lane); }

Scope make_scope(Executor& executor, const RunOptions& options) {
  std::optional<SteadyTime> deadline;
  if (options.timeout.count() > 0) {
    deadline = saturating_add(executor.clock().steady_now(), options.timeout);
  }
  const Scope::Options scope{.limit = options.limit, .deadline = deadline, .stop = options.stop};
  return options.parent != nullptr ? Scope(*options.parent, scope) : Scope(executor.clock(), scope);
}

/// What trying again can't change isn't tried again.
bool may_pass_next_time(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnsupported:
      return false;
    default:
      return true;
  }
}

}  // namespace

RunState::RunState(Executor& executor, const AnyProgram& program, const RunOptions& options,
                   std::unique_ptr<Recorder> recorder)
    : executor_(executor),
      body_(program.shared_body()),
      options_(options),
      scope_(make_scope(executor, options)),
      begin_(executor.clock().steady_now()),
      recorder_(std::move(recorder)) {}

void RunState::start(std::vector<Value> values, bool caller_works) {
  if (const std::optional<SteadyTime> deadline = scope_.deadline()) {
    deadline_ = executor_.timers().at(*deadline, [weak = weak_from_this()] {
      const auto run = weak.lock();
      if (run == nullptr) return;
      run->settle_from_outside(ErrorCode::kDeadlineExceeded, "the run's time is up");
    });
  }
  on_stop_.emplace(scope_.stop_token(), OnStop{this});
  {
    Lock lock(mutex_);
    if (caller_works) active_[0] = claims_[0] = 1;
    if (recorder_ && recorder_->mode() == Recorder::Mode::kResume) {
      if (const auto charged = scope_.charge(recorder_->lost()); !charged) settle(charged.error());
    }
    auto root = std::make_shared<Frame>();
    root->body = body_.get();
    root->scope = &scope_;
    fill_frame(root, std::move(values));
    root.reset();
    drain();
    leave(lock);
  }
  if (caller_works) work(LaneKind::kCpu, true);
}

Ctx RunState::context(const Item& item) {
  Ctx ctx;
  ctx.executor_ = &executor_;
  ctx.frame_ = item.frame.get();
  ctx.node_ = item.node;
  ctx.attempt_ = item.attempt;
  ctx.seed_ = options_.seed;
  ctx.scope_ = item.frame->scope;
  return ctx;
}

void RunState::work(LaneKind lane, bool is_caller) {
  constexpr int kTurn = 128;  // nodes, before other runs on the lane have theirs
  const std::size_t l = index_of(lane);
  Lock lock(mutex_);
  for (int nodes = 0;; ++nodes) {
    if (nodes == kTurn && !is_caller) {
      // The ticket has our place and our claim; if there is none to be had, we go on.
      if (executor_.post(lane, [self = shared_from_this(), lane] { self->work(lane); })) {
        return leave(lock);
      }
      nodes = 0;
    }
    --claims_[l];
    auto taken = take(l);
    drain();  // one for which there was no budget may have made others ready
    post_tickets();
    if (!taken) break;
    const Function& code = *taken->item.what().code;
    if (code.run) {
      // Taken apart by the callee: it gives the worker back, or hands it to a later end.
      const bool kept = run_here(*std::move(taken), lock);
      if (!kept) return;
    } else {
      std::vector<Taken> together;
      if (code.start_all) together = take_siblings(l, taken->item);
      drain();
      together.insert(together.begin(), *std::move(taken));
      start_later(std::move(together), lock);
      lock.lock();
      ++claims_[l];
    }
  }
  --active_[l];
  leave(lock);
}

std::optional<RunState::Taken> RunState::take(std::size_t lane) {
  auto& queue = ready_[lane];
  while (!queue.empty()) {
    // The queue's top is const; it is popped at once.
    Item item = std::move(const_cast<Item&>(queue.top()));
    queue.pop();
    if (auto admitted = admit(std::move(item))) return admitted;
  }
  return std::nullopt;
}

std::vector<RunState::Taken> RunState::take_siblings(std::size_t lane, const Item& like) {
  const Function* code = like.what().code.get();
  std::vector<Item> others;
  std::vector<Taken> siblings;
  auto& queue = ready_[lane];
  while (!queue.empty()) {
    Item item = std::move(const_cast<Item&>(queue.top()));
    queue.pop();
    if (item.what().code.get() != code) {
      others.push_back(std::move(item));
    } else if (auto admitted = admit(std::move(item))) {
      siblings.push_back(*std::move(admitted));
    }
  }
  for (Item& item : others) queue.push(std::move(item));
  return siblings;
}

std::optional<RunState::Taken> RunState::admit(Item item) {
  if (is_dead(*item.frame)) {
    unpark();  // it may have been woken in the place of another
    return std::nullopt;
  }
  const Spend& cost = item.what().policy.cost;
  std::optional<Reservation> reservation;
  if (cost != Spend{}) {
    auto reserved = item.frame->scope->reserve(cost);
    if (!reserved) {
      // What others have set aside may come back.
      if (reserved.error().code == ErrorCode::kResourceExhausted && reservations_ > 0) {
        parked_.push_back(std::move(item));
        return std::nullopt;
      }
      fail(item.frame, item.node, reserved.error(), item.attempt, {});
      unpark();
      return std::nullopt;
    }
    reservation = *std::move(reserved);
    ++reservations_;
    unpark();
  }
  mark_started(*item.frame);
  ++in_flight_;
  ++report_.attempts;
  emit(Event::Kind::kStarted, *item.frame, item.node, item.attempt);
  return Taken{std::move(item), std::move(reservation)};
}

bool RunState::run_here(Taken taken, Lock& lock) {
  lock.unlock();
  const Node& node = taken.item.what();
  const std::size_t l = index_of(node.policy.lane);
  std::vector<const Value*> arguments;
  arguments.reserve(node.inputs.size());
  for (const Slot slot : node.inputs) arguments.push_back(&taken.item.frame->cells[slot].value);
  const auto call = [&](Ctx& ctx) {
    return guarded([&]() -> Result<Value> {
      WEFT_TRY_VOID(intend(taken.item));
      return node.code->run(ctx, arguments);
    });
  };

  if (node.policy.timeout.count() == 0) {
    Ctx ctx = context(taken.item);
    const SteadyTime begin = recorder_ ? executor_.clock().steady_now() : SteadyTime();
    Result<Value> result = call(ctx);
    const auto simulated = ctx.simulated_;
    if (simulated.count() == 0) {
      Ended end{.item = std::move(taken.item),
                .result = std::move(result),
                .reservation = std::move(taken.reservation),
                .used = ctx.used_,
                .begin = begin,
                .documents = std::move(ctx.documents_)};
      prepare(end);
      lock.lock();
      ++claims_[l];
      finish(std::move(end));
      return true;
    }
    const auto attempt = std::make_shared<Attempt>(shared_from_this(), ctx, std::move(taken.item),
                                                   std::move(taken.reservation), true);
    attempt->arm();
    attempt->finish_in(simulated, std::move(result));
    return false;
  }

  auto attempt =
      std::make_shared<Attempt>(shared_from_this(), context(taken.item), std::move(taken.item),
                                std::move(taken.reservation), true);
  attempt->limit_time();
  Result<Value> result = call(attempt->ctx());
  const auto simulated = attempt->ctx().simulated_;
  if (attempt->is_late()) {
    result = Error{ErrorCode::kDeadlineExceeded, "the attempt's time is up"};
  }
  if (simulated.count() > 0) {
    attempt->arm();
    attempt->finish_in(simulated, std::move(result));
    return false;
  }
  Ended end = attempt->take_end(std::move(result));
  attempt.reset();  // before the lock: its scope waits for stops that call back
  prepare(end);
  lock.lock();
  ++claims_[l];
  finish(std::move(end));
  return true;
}

void RunState::start_later(std::vector<Taken> taken, Lock& lock) {
  lock.unlock();
  const FunctionPtr code = taken.front().item.what().code;
  std::vector<std::shared_ptr<Call>> calls;
  for (Taken& one : taken) {
    const Result<void> intended = intend(one.item);
    auto attempt =
        std::make_shared<Attempt>(shared_from_this(), context(one.item), std::move(one.item),
                                  std::move(one.reservation), false);
    attempt->limit_time();
    attempt->arm();
    if (intended) {
      calls.push_back(std::move(attempt));
    } else {
      attempt->finish(intended.error());
    }
  }
  if (calls.empty()) return;
  const std::vector<std::shared_ptr<Call>> kept = calls;
  const Result<void> started = guarded([&] {
    if (code->start) {
      code->start(std::move(calls.front()));
    } else {
      code->start_all(std::move(calls));
    }
  });
  if (started) return;
  for (const auto& call : kept) call->finish(started.error());
}

void RunState::ended(Ended end, bool on_worker) {
  const LaneKind lane = end.item.what().policy.lane;
  prepare(end);
  {
    Lock lock(mutex_);
    if (on_worker) ++claims_[index_of(lane)];
    finish(std::move(end));
    leave(lock);
  }
  if (on_worker) work(lane);
}

void RunState::finish(Ended end) {
  --in_flight_;
  const Spend spent = end.used ? *end.used : end.reservation ? end.reservation->amount() : Spend{};
  Result<void> charged;
  if (end.reservation) {
    charged = end.reservation->settle(spent);
    --reservations_;
    unpark();
  } else if (end.used) {
    charged = end.item.frame->scope->charge(spent);
  }
  if (end.result && !charged) end.result = charged.error();
  if (end.result) {
    record(end, TraceEvent::Kind::kDone, nullptr, spent);
    emit(Event::Kind::kDone, *end.item.frame, end.item.node, end.item.attempt, spent);
    complete(std::move(end.item.frame), end.item.node, *std::move(end.result));
  } else if (!charged || !retry(end, spent)) {
    fail(end.item.frame, end.item.node, end.result.error(), end.item.attempt, spent);
  }
  drain();
}

bool RunState::retry(Ended& end, const Spend& spent) {
  const Item& item = end.item;
  const Error& error = end.result.error();
  const Policy& policy = item.what().policy;
  if (item.attempt >= policy.attempts || !may_pass_next_time(error.code) || is_dead(*item.frame)) {
    return false;
  }
  record(end, TraceEvent::Kind::kRetried, &error, spent);
  emit(Event::Kind::kRetried, *item.frame, item.node, item.attempt, spent, &error);
  Item next = item;
  ++next.attempt;
  if (policy.backoff.count() == 0) {
    push(std::move(next));
    return true;
  }
  Random random(options_.seed, Random::stream_of(item.frame->path(item.node) + "#backoff" +
                                                 std::to_string(item.attempt)));
  constexpr double kJitter = 0.25;
  const double factor =
      std::ldexp(1.0 - kJitter + 2 * kJitter * random.uniform(), item.attempt - 1);
  const std::chrono::duration<double, std::nano> delay = policy.backoff * factor;
  // A wait of years is as good as one of centuries, and doesn't overflow.
  constexpr std::chrono::duration<double> kDelayMax = std::chrono::hours(24 * 365);
  const auto when = executor_.clock().steady_now() +
                    std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::min<std::chrono::duration<double, std::nano>>(delay, kDelayMax));
  const std::uint64_t token = next_++;
  waiting_[token] = executor_.timers().at(
      when, [weak = weak_from_this(), token, shared = std::make_shared<Item>(std::move(next))] {
        const auto run = weak.lock();
        if (run == nullptr) return;
        Lock lock(run->mutex_);
        if (run->waiting_.erase(token) > 0) run->push(std::move(*shared));
        run->leave(lock);
      });
  return true;
}

void RunState::push(Item item) {
  if (result_) return;
  item.seq = next_++;
  const std::size_t lane = index_of(item.what().policy.lane);
  ready_[lane].push(std::move(item));
}

void RunState::unpark() {
  if (parked_.empty()) return;
  Item item = std::move(parked_.front());
  parked_.pop_front();
  push(std::move(item));
}

void RunState::settle(Result<Value> result) {
  if (result_) return;
  stop_wanted_ = !result.has_value();
  result_ = std::move(result);
  for (auto& queue : ready_) queue = {};
  parked_.clear();
  made_.clear();
  growing_.clear();
  asked_.clear();
  for (const auto& [token, timer] : waiting_) (void)executor_.timers().cancel(timer);
  waiting_.clear();
  drop_scope_ends();
}

void RunState::settle_from_outside(ErrorCode code, const char* why) {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  Lock lock(mutex_);
  settle(Error{code, why});
  leave(lock);
}

/// What has to happen whenever the lock is let go for good.
void RunState::leave(Lock& lock) {
  post_tickets();
  suspend_if_idle();
  if (result_ && in_flight_ == 0 && !done_) {
    done_ = true;
    if (deadline_) (void)executor_.timers().cancel(*deadline_);
    report_.spent = scope_.spent();
    report_.overrun = scope_.overrun();
    report_.duration = executor_.clock().steady_now() - begin_;
    if (recorder_) report_.unused = recorder_->unused();
    wake_.notify_all();
  }
  const bool stop = std::exchange(stop_wanted_, false);
  lock.unlock();
  if (stop) scope_.request_stop();
}

void RunState::post_tickets() {
  for (std::size_t l = 0; l < kLanes; ++l) {
    const auto lane = static_cast<LaneKind>(l);
    while (ready_[l].size() > claims_[l] && active_[l] < executor_.width(lane)) {
      const auto posted =
          executor_.post(lane, [self = shared_from_this(), lane] { self->work(lane); });
      if (!posted) {
        // A worker of ours that is there already will come to it.
        if (active_[l] == 0) settle(posted.error());
        break;
      }
      ++active_[l];
      ++claims_[l];
      ++tickets_;
      if (executor_.needs_caller()) wake_.notify_all();
    }
  }
}

void RunState::emit(Event::Kind kind, const Frame& frame, std::uint32_t node, int attempt,
                    const Spend& spent, const Error* error) {
  if (!options_.on_event) return;
  const Event event{.seq = events_++,
                    .kind = kind,
                    .path = frame.path(node),
                    .attempt = attempt,
                    .time = executor_.clock().steady_now(),
                    .spent = spent,
                    .error = error,
                    .type = frame.body->slots[frame.body->nodes[node].output].type};
  (void)guarded([&] { options_.on_event(event); });
}

Result<Value> RunState::wait() {
  if (VirtualTime* time = executor_.virtual_time()) {
    const auto is_done = [&] {
      const std::lock_guard lock(mutex_);
      return done_;
    };
    while (!is_done()) {
      if (time->step()) continue;
      settle_from_outside(ErrorCode::kInternal,
                          "nothing is left to do on the virtual clock, but the run hasn't ended");
      cancel();
      if (is_done()) break;
    }
  }
  Lock lock(mutex_);
  while (!done_) {
    const std::uint64_t seen = tickets_;
    lock.unlock();
    const bool worked = executor_.work_one();
    lock.lock();
    if (!worked) wake_.wait(lock, [&] { return done_ || tickets_ != seen; });
  }
  close_trace();
  return result_.value_or(Error{ErrorCode::kInternal, "the run ended without a result"});
}

Report RunState::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace weft::planner
