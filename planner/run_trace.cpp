// A run and its trace: what is recorded of it, and what of an earlier one stands in for running.

#include "base/guard.h"
#include "planner/run_state.h"
#include "planner/value_codec.h"

namespace weft::planner {

using Kind = TraceEvent::Kind;

/// Of all that a node's value depends on; the program's hash holds for the run as a whole.
Digest RunState::key_of(const Frame& frame, std::uint32_t node) const {
  const Node& what = frame.body->nodes[node];
  PartsHash hash;
  // A control node and the one node inside it may have the same path.
  const bool is_control = !what.bodies.empty() || what.kind == NodeKind::kPlan;
  hash.add(is_control ? "control" : "node")
      .add(frame.path(node))
      .add(std::int64_t{what.policy.version});
  if (what.code != nullptr) hash.add(what.code->fingerprint);
  for (const Slot slot : what.inputs) hash.add(frame.cells[slot].value.digest());
  return hash.digest();
}

/// Without the lock, as the attempt's worker: what takes time.
void RunState::prepare(Ended& end) {
  if (!recorder_) return;
  recorder_->wait_for_room();
  end.key = key_of(*end.item.frame, end.item.node);
  if (!end.result) return;
  if (end.item.what().policy.recompute) return end.result->set_digest(end.key);
  auto encoded = guarded([&] { return encode(*end.result); });
  if (!encoded) {
    end.result = std::move(encoded).error().with_context("its value can't be recorded");
    return;
  }
  end.result->set_digest(value_digest(*end.result->type(), *encoded));
  end.bytes = *std::move(encoded);
}

/// Without the lock. Before a node is called that mustn't be called twice, the trace says so, and
/// all that it depends on is in there.
Result<void> RunState::intend(const Item& item) {
  if (!recorder_ || item.what().policy.effect != Effect::kOnce) return {};
  {
    const Lock lock(mutex_);
    const auto now = recorder_->now();
    recorder_->record({.kind = Kind::kIntent,
                       .path = item.frame->path(item.node),
                       .label = item.what().code->label,
                       .attempt = item.attempt,
                       .begin = now,
                       .end = now,
                       .key = key_of(*item.frame, item.node)});
  }
  return recorder_->flush();
}

void RunState::record(Ended& end, Kind kind, const Error* error, const Spend& spent) {
  if (!recorder_) return;
  const bool has_value = kind == Kind::kDone;
  if (has_value && end.item.what().policy.recompute) return;
  TraceEvent event{.kind = kind,
                   .path = end.item.frame->path(end.item.node),
                   .label = end.item.what().code->label,
                   .attempt = end.item.attempt,
                   .begin = recorder_->at(end.begin),
                   .end = recorder_->now(),
                   .key = end.key,
                   .spent = spent};
  if (has_value) event.digest = end.result->digest();
  if (error != nullptr) {
    event.code = error->code;
    event.message = error->message;
  }
  recorder_->record(std::move(event), has_value ? std::move(end.bytes) : std::nullopt,
                    std::move(end.documents));
  // A node that can't be recorded would be run twice: better to stop here.
  if (const auto written = recorder_->error(); !written) settle(written.error());
}

void RunState::record_failure(const Frame& frame, std::uint32_t node, const Error& error,
                              int attempt, const Spend& spent) {
  const Node& what = frame.body->nodes[node];
  // Of control nodes, only a scope fails by what isn't in the trace already: its time.
  const bool is_recorded = what.kind == NodeKind::kCode || what.kind == NodeKind::kScope;
  if (!recorder_ || !is_recorded || recalls_failure_) return;
  const bool is_late = is_dead(frame);  // others have failed before, or the run was stopped
  if (is_late && attempt == 0) return;
  bool is_kept = false;
  for (const Frame* f = &frame; f->parent != nullptr && !is_kept && !is_late; f = f->parent.get()) {
    is_kept = f->parent->body->nodes[f->node].kind == NodeKind::kCollect;
  }
  const auto now = recorder_->now();
  recorder_->record({.kind = is_kept ? Kind::kMissing : Kind::kFailed,
                     .path = frame.path(node),
                     .label = what.code ? what.code->label : std::string(),
                     .attempt = attempt,
                     .begin = now,
                     .end = now,
                     .key = key_of(frame, node),
                     .spent = spent,
                     .code = error.code,
                     .message = error.message});
}

/// What the trace says can't be used: that ends the run, and leaves the trace as it is.
void RunState::refuse(const Frame& frame, std::uint32_t node, Error error) {
  emit(Event::Kind::kFailed, frame, node, 0, {}, &error);
  settle(std::move(error).with_context("node " + frame.path(node)));
}

/// Whether the trace had the node's end, so that it doesn't run.
bool RunState::recall(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  const Node& what = frame->body->nodes[node];
  if (what.policy.recompute) return false;
  const bool replays = recorder_->mode() == Recorder::Mode::kReplay;
  if (!replays && !recorder_->may_recall()) return false;
  const std::string path = frame->path(node);
  const bool forks = recorder_->mode() == Recorder::Mode::kFork;
  if (forks) {
    const Value* given = recorder_->given(path);
    if (given != nullptr) return give_if_fits(frame, node, Kind::kDone, *given);
    if (recorder_->is_redone(path)) return false;
  }
  auto past = recorder_->take_past(path);
  if (!past) {
    if (!replays) return false;
    refuse(*frame, node,
           Error{ErrorCode::kNotFound, "the trace has no end of it to replay; resume the run"});
    return true;
  }
  if (past->key != key_of(*frame, node)) {
    if (forks) return false;
    refuse(*frame, node,
           Error{ErrorCode::kConflict,
                 "its code or its inputs aren't those that the trace recorded; fork the run to run "
                 "it anew"});
    return true;
  }
  if (past->kind == Kind::kIntent) return recall_unknown(frame, node, *std::move(past));
  if (const auto charged = frame->scope->charge(past->spent); !charged) {
    refuse(*frame, node, charged.error());
    return true;
  }
  take_over(*past, frame, node);
  return true;
}

/// Whether a control node as a whole has what a person gave for it, now or in the run that goes on,
/// or failed as a whole; else its graph is gone through.
bool RunState::recall_control(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  if (frame->body->nodes[node].kind == NodeKind::kAsk || !recorder_->may_recall()) return false;
  const std::string path = frame->path(node);
  if (recorder_->mode() == Recorder::Mode::kFork) {
    const Value* given = recorder_->given(path);
    if (given != nullptr) return give_if_fits(frame, node, Kind::kDone, *given);
    if (recorder_->is_redone(path)) return false;
  }
  const auto past = recorder_->take_past(path, key_of(*frame, node));
  if (past) take_over(*past, frame, node);
  return past.has_value();
}

void RunState::take_over(const Past& past, const std::shared_ptr<Frame>& frame,
                         std::uint32_t node) {
  const Node& what = frame->body->nodes[node];
  const bool forks = recorder_->mode() == Recorder::Mode::kFork;
  if (past.kind != Kind::kDone) {
    recalls_failure_ = !forks;
    fail(frame, node, Error{past.code.value_or(ErrorCode::kInternal), past.message}, past.attempt,
         past.spent);
    recalls_failure_ = false;
    return;
  }
  auto value = recorder_->value(past, *frame->body->slots[what.output].type);
  if (!value) return refuse(*frame, node, value.error());
  if (forks) {
    const auto now = recorder_->now();
    recorder_->record({.kind = Kind::kDone,
                       .path = frame->path(node),
                       .label = what.code ? what.code->label : std::string(),
                       .attempt = past.attempt,
                       .begin = now,
                       .end = now,
                       .key = past.key,
                       .digest = past.digest,
                       .spent = past.spent},
                      encode(*value));
  }
  ++report_.recalled;
  if (what.kind == NodeKind::kCode) {
    emit(Event::Kind::kRecalled, *frame, node, past.attempt, past.spent);
  }
  complete(frame, node, *std::move(value));
}

/// It was called, and nobody saw the call end: a person has to say what to do.
bool RunState::recall_unknown(const std::shared_ptr<Frame>& frame, std::uint32_t node, Past past) {
  const std::string path = frame->path(node);
  if (recorder_->is_redone(path)) return false;
  const Value* given = recorder_->given(path);
  if (given == nullptr) {
    const std::string end = past.message.empty() ? "the process ended before it returned"
                                                 : "it failed: " + past.message;
    refuse(*frame, node,
           Error{ErrorCode::kConflict, "it may be called once, it was, and " + end +
                                           "; resume with its value (--set " + path +
                                           "=VALUE) or allow another call (--redo " + path + ")"});
    return true;
  }
  return give_if_fits(frame, node, Kind::kDone, *given);
}

/// True in any case: one of another type ends the run.
bool RunState::give_if_fits(const std::shared_ptr<Frame>& frame, std::uint32_t node, Kind kind,
                            const Value& value) {
  const Type& type = *frame->body->slots[frame->body->nodes[node].output].type;
  if (value.type() == &type) {
    give(frame, node, kind, value);
  } else {
    refuse(*frame, node,
           Error{ErrorCode::kInvalidArgument,
                 "the value given for it is of type " + value.type()->name + ", not " + type.name});
  }
  return true;
}

/// A value from outside, in the place of a node's own.
void RunState::give(const std::shared_ptr<Frame>& frame, std::uint32_t node, Kind kind,
                    Value value) {
  std::vector<std::byte> bytes = encode(value);
  value.set_digest(value_digest(*value.type(), bytes));
  const Node& what = frame->body->nodes[node];
  const auto now = recorder_->now();
  recorder_->record({.kind = kind,
                     .path = frame->path(node),
                     .label = what.code ? what.code->label : std::string(),
                     .begin = now,
                     .end = now,
                     .key = key_of(*frame, node),
                     .digest = value.digest()},
                    std::move(bytes));
  if (what.kind == NodeKind::kCode) emit(Event::Kind::kRecalled, *frame, node, 0);
  complete(frame, node, std::move(value));
}

// ---- questions to people ----

void RunState::ask(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  if (recorder_ && recall_answer(frame, node)) return;
  asked_[frame->path(node)] = {frame, node};
  emit(Event::Kind::kAsked, *frame, node, 0);
}

/// Whether the trace, or whoever resumed the run, has the answer. Else the question is recorded.
bool RunState::recall_answer(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  const std::string path = frame->path(node);
  const Node& what = frame->body->nodes[node];
  const Type& type = *frame->body->slots[what.output].type;
  const bool forks = recorder_->mode() == Recorder::Mode::kFork;
  const auto past = recorder_->take_past(path);
  const bool is_redone = forks && recorder_->is_redone(path);
  const bool is_same = past && !is_redone && past->key == key_of(*frame, node);
  if (past && !is_same && !forks) {
    refuse(*frame, node, Error{ErrorCode::kConflict, "its question isn't the one that was asked"});
    return true;
  }
  const Value* given = recorder_->given(path);
  if (given != nullptr) return give_if_fits(frame, node, Kind::kAnswered, *given);
  if (is_same && past->kind == Kind::kAnswered) {
    auto value = recorder_->value(*past, type);
    if (!value) {
      refuse(*frame, node, value.error());
    } else if (forks) {
      give(frame, node, Kind::kAnswered, *std::move(value));
    } else {
      ++report_.recalled;
      complete(frame, node, *std::move(value));
    }
    return true;
  }
  if (is_same) return false;
  const Value& question = frame->cells[what.inputs[0]].value;
  std::vector<std::byte> bytes = encode(question);
  const auto now = recorder_->now();
  recorder_->record({.kind = Kind::kAsked,
                     .path = path,
                     .begin = now,
                     .end = now,
                     .key = key_of(*frame, node),
                     .digest = value_digest(*question.type(), bytes)},
                    std::move(bytes));
  return false;
}

std::vector<Question> RunState::open_questions() const {
  std::vector<Question> open;
  for (const auto& [path, asked] : asked_) {
    const Body& body = *asked.frame->body;
    const Node& node = body.nodes[asked.node];
    open.push_back({path, asked.frame->cells[node.inputs[0]].value.as<std::string>(),
                    body.slots[node.output].type});
  }
  return open;
}

std::vector<Question> RunState::questions() const {
  const std::lock_guard lock(mutex_);
  return result_ ? left_open_ : open_questions();
}

Result<void> RunState::answer(const std::string& path, Value value) {
  Lock lock(mutex_);
  const auto found = asked_.find(path);
  if (found == asked_.end()) {
    return Error{ErrorCode::kNotFound, "nobody asks at " + path + " (any more)"};
  }
  const auto [frame, node] = found->second;
  const Type* type = frame->body->slots[frame->body->nodes[node].output].type;
  if (value.type() != type) {
    return Error{ErrorCode::kInvalidArgument,
                 "the answer at " + path + " is of type " + type->name};
  }
  asked_.erase(found);
  if (recorder_) {
    give(frame, node, Kind::kAnswered, std::move(value));
  } else {
    complete(frame, node, std::move(value));
  }
  drain();
  leave(lock);
  return {};
}

/// A traced run with nothing left but questions needs no process any more.
void RunState::suspend_if_idle() {
  if (!recorder_ || result_ || asked_.empty() || in_flight_ > 0 || !waiting_.empty() ||
      !parked_.empty() || !made_.empty() || !growing_.empty()) {
    return;
  }
  for (const auto& queue : ready_) {
    if (!queue.empty()) return;
  }
  std::erase_if(asked_, [this](const auto& asked) { return is_dead(*asked.second.frame); });
  left_open_ = open_questions();
  std::string paths;
  for (const Question& question : left_open_) {
    paths += (paths.empty() ? "" : ", ") + question.path;
  }
  settle(Error{ErrorCode::kSuspended, "it waits for an answer at " + paths});
}

/// By whoever waits for the run first.
void RunState::close_trace() {
  if (!recorder_ || is_closed_ || !result_) return;
  is_closed_ = true;
  RunStatus status = RunStatus::kDone;
  std::string message;
  if (!*result_) {
    const ErrorCode code = result_->error().code;
    message = result_->error().message;
    status = code == ErrorCode::kCancelled   ? RunStatus::kCancelled
             : code == ErrorCode::kSuspended ? RunStatus::kSuspended
                                             : RunStatus::kFailed;
  }
  if (const auto closed = recorder_->close(status, message); !closed) {
    result_ = Result<Value>(closed.error().with_context("the run ended, but its end isn't kept"));
  }
}

}  // namespace weft::planner
