// An attempt that ends later: by its code, by a stop, or when its time is up.

#include "planner/run_state.h"

namespace weft::planner {

Attempt::Attempt(std::shared_ptr<RunState> run, const Ctx& ctx, Item item,
                 std::optional<Reservation> reservation, bool on_worker)
    : run_(std::move(run)),
      begin_(run_->executor().clock().steady_now()),
      item_(std::move(item)),
      reservation_(std::move(reservation)),
      on_worker_(on_worker),
      ctx_(ctx) {
  // Its code may go on after it was ended, when nothing else keeps the values.
  for (const Slot slot : item_.what().inputs) arguments_.push_back(item_.frame->cells[slot].value);
}

Attempt::~Attempt() {
  end(Error{ErrorCode::kInternal, "its code let go of Done without calling it"}, false);
}

void Attempt::limit_time() {
  const auto timeout = item_.what().policy.timeout;
  if (timeout.count() == 0) return;
  const SteadyTime deadline = saturating_add(ctx_.now(), timeout);
  own_scope_ = std::make_unique<Scope>(*ctx_.scope_, Scope::Options{.deadline = deadline});
  ctx_.scope_ = own_scope_.get();
  timer_ = run_->executor().timers().at(deadline, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->ended_) return;
    // Code that waits on a lane ends by itself when it sees the stop.
    if (!self->on_worker_ && !self->ended_.exchange(true)) {
      self->hand_on(Error{ErrorCode::kDeadlineExceeded, "the attempt's time is up"}, false);
    }
    self->own_scope_->request_stop();
  });
}

bool Attempt::is_late() const {
  if (own_scope_ == nullptr) return false;
  const std::optional<SteadyTime> deadline = own_scope_->deadline();
  return deadline && ctx_.now() >= *deadline;
}

void Attempt::arm() { on_stop_.emplace(item_.frame->scope->stop_token(), OnStop{this}); }

void Attempt::OnStop::operator()() const {
  const auto self = attempt->weak_from_this().lock();
  if (self != nullptr) self->end(Error{ErrorCode::kCancelled, "the run was stopped"}, false);
}

void Attempt::finish_in(std::chrono::nanoseconds after, Result<Value> result) {
  Timers& timers = run_->executor().timers();
  timers.at(saturating_add(timers.clock().steady_now(), after),
            [self = shared_from_this(), result = std::move(result)] { self->end(result, true); });
}

void Attempt::end(Result<Value> result, bool reported) {
  if (ended_.exchange(true)) return;
  drop_timer();
  hand_on(std::move(result), reported);
}

void Attempt::hand_on(Result<Value> result, bool reported) {
  // Unless its code says so itself, nobody knows what it has used.
  run_->ended({.item = item_,
               .result = std::move(result),
               .reservation = std::move(reservation_),
               .used = reported ? ctx_.used_ : std::nullopt,
               .begin = begin_,
               .documents = reported ? std::move(ctx_.documents_) : std::vector<std::string>()},
              on_worker_);
}

// Now rather than in the destructor: whoever keeps a Done may outlive the timers.
void Attempt::drop_timer() {
  if (timer_) (void)run_->executor().timers().cancel(*timer_);
}

Ended Attempt::take_end(Result<Value> result) {
  ended_ = true;
  drop_timer();
  return {.item = item_,
          .result = std::move(result),
          .reservation = std::move(reservation_),
          .used = ctx_.used_,
          .begin = begin_,
          .documents = std::move(ctx_.documents_)};
}

}  // namespace weft::planner
