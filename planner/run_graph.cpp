// The rules of a graph's run: what a value makes ready, what a control node does, whom a failure
// ends.

#include <algorithm>

#include "base/guard.h"
#include "planner/run_state.h"
#include "planner/value_codec.h"

namespace weft::planner {

std::string Frame::path(std::uint32_t which) const {
  const std::string& name = body->nodes[which].name;
  if (parent == nullptr) return name;
  std::string around = parent->path(node);
  if (index >= 0) around += "[" + std::to_string(index) + "]";
  // The one node of a map() has the map's name.
  if (body->nodes.size() == 1 && name == parent->body->nodes[node].name) return around;
  return around + "/" + name;
}

std::shared_ptr<Frame> RunState::new_frame(const std::shared_ptr<Frame>& parent, std::uint32_t node,
                                           const Body& body) {
  auto frame = std::make_shared<Frame>();
  const Node& around = parent->body->nodes[node];
  frame->body = &body;
  frame->parent = parent;
  frame->node = node;
  frame->scope = parent->scope;
  // What is ahead of the node itself is that of its graphs, counted in their frames.
  std::int64_t behind = 0;
  for (const std::uint32_t reader : parent->body->slots[around.output].readers) {
    behind = std::max(behind, parent->body->remaining[reader]);
  }
  frame->priority = parent->priority + behind;
  return frame;
}

std::shared_ptr<Frame> RunState::open_frame(const std::shared_ptr<Frame>& parent,
                                            std::uint32_t node, std::size_t which,
                                            std::int64_t index, Value own) {
  const Node& around = parent->body->nodes[node];
  const Body& body = *around.bodies[which];
  auto frame = new_frame(parent, node, body);
  frame->index = index;
  if (around.kind == NodeKind::kScope) frame->scope = open_scope(frame, around);
  std::vector<Value> values;
  values.reserve(body.inputs.size());
  for (std::size_t i = 0; i < body.inputs.size(); ++i) {
    const bool is_own = i == 0 && own;
    const Slot from = around.inputs[around.arguments[which][i]];
    values.push_back(is_own ? own : parent->cells[from].value);
  }
  fill_frame(frame, std::move(values));
  return frame;
}

Scope* RunState::open_scope(const std::shared_ptr<Frame>& frame, const Node& around) {
  Scope::Options options{.limit = around.limit};
  if (around.wall_time.count() > 0) {
    options.deadline = saturating_add(executor_.clock().steady_now(), around.wall_time);
  }
  scopes_.push_back(std::make_unique<Scope>(*frame->scope, options));
  Scope* scope = scopes_.back().get();
  if (!options.deadline) return scope;
  scope_ends_[frame.get()] = executor_.timers().at(
      *options.deadline, [weak = weak_from_this(), of = std::weak_ptr<Frame>(frame), scope] {
        const auto run = weak.lock();
        if (run != nullptr) run->end_scope(of, *scope);
      });
  return scope;
}

void RunState::end_scope(const std::weak_ptr<Frame>& of, Scope& scope) {
  Lock lock(mutex_);
  const std::shared_ptr<Frame> frame = of.lock();
  if (frame == nullptr || frame->unfinished == 0 || is_dead(*frame)) return leave(lock);
  scope_ends_.erase(frame.get());
  const std::uint32_t node = frame->node;
  fail(
      frame->parent, node,
      Error{ErrorCode::kDeadlineExceeded, "its wall time is up: give it more, or less to do in it"},
      0, {});
  drain();
  leave(lock);
  scope.request_stop();  // without the lock: it calls back
}

void RunState::drop_scope_ends() {
  for (const auto& [frame, timer] : scope_ends_) (void)executor_.timers().cancel(timer);
  scope_ends_.clear();
}

void RunState::enter_plan(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  const Node& what = frame->body->nodes[node];
  std::vector<const Value*> arguments;
  for (const Slot slot : what.inputs) arguments.push_back(&frame->cells[slot].value);
  auto made = guarded([&] { return what.code->expand(arguments); });
  if (!made) return fail(frame, node, made.error(), 0, {});
  const Body& body = **made;
  bool fits = body.inputs.size() + 1 == arguments.size() &&
              body.slots[body.result].type == what.code->output;
  for (std::size_t i = 0; fits && i < body.inputs.size(); ++i) {
    fits = body.inputs[i].type == arguments[i + 1]->type();
  }
  if (!fits) {
    const Error misfit{ErrorCode::kInternal, "its graph's inputs or result aren't its own"};
    return fail(frame, node, misfit, 0, {});
  }
  auto inside = new_frame(frame, node, body);
  inside->made_body = *std::move(made);
  std::vector<Value> values;
  for (std::size_t i = 1; i < arguments.size(); ++i) values.push_back(*arguments[i]);
  fill_frame(inside, std::move(values));
}

void RunState::fill_frame(const std::shared_ptr<Frame>& frame, std::vector<Value> values) {
  const Body& body = *frame->body;
  frame->unfinished = body.nodes.size();
  frame->cells.resize(body.slots.size());
  for (std::size_t slot = 0; slot < body.slots.size(); ++slot) {
    frame->cells[slot].readers = static_cast<std::uint32_t>(body.slots[slot].readers.size());
  }
  // The values that leave the frame are read once more.
  ++frame->cells[body.result].readers;
  if (body.has_until) ++frame->cells[body.until].readers;
  frame->pending.resize(body.nodes.size());
  for (std::size_t n = 0; n < body.nodes.size(); ++n) {
    frame->pending[n] = static_cast<std::uint32_t>(body.nodes[n].inputs.size());
  }
  if (body.nodes.empty()) made_.push_back({frame, 0, Value()});
  for (const std::uint32_t node : body.sources) ready(frame, node);
  for (std::size_t i = 0; i < values.size(); ++i) {
    deliver(frame, body.inputs[i].slot, std::move(values[i]));
  }
}

void RunState::deliver(const std::shared_ptr<Frame>& frame, Slot slot, Value value) {
  frame->cells[slot].value = std::move(value);
  for (const std::uint32_t reader : frame->body->slots[slot].readers) {
    if (--frame->pending[reader] == 0) ready(frame, reader);
  }
}

void RunState::ready(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  if (frame->body->nodes[node].kind != NodeKind::kCode) return enter(frame, node);
  if (recorder_ && recall(frame, node)) return;
  push({.priority = frame->priority + frame->body->remaining[node], .frame = frame, .node = node});
}

void RunState::enter(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  if (recorder_ && recall_control(frame, node)) return;
  const Node& what = frame->body->nodes[node];
  const auto input = [&](std::size_t i) -> const Value& {
    return frame->cells[what.inputs[i]].value;
  };
  switch (what.kind) {
    case NodeKind::kMap:
    case NodeKind::kCollect:
      return enter_map(frame, node);
    case NodeKind::kLoop:
      frame->controls[node];
      open_frame(frame, node, 0, 0, input(0));
      return;
    case NodeKind::kBranch:
      open_frame(frame, node, input(0).as<bool>() ? 0 : 1, -1, Value());
      return;
    case NodeKind::kScope:
      open_frame(frame, node, 0, -1, Value());
      return;
    case NodeKind::kAsk:
      return ask(frame, node);
    case NodeKind::kPlan:
      return enter_plan(frame, node);
    case NodeKind::kCode:
      return;
  }
}

void RunState::enter_map(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  const Value& list = frame->cells[frame->body->nodes[node].inputs[0]].value;
  std::vector<Value> elements = list.type()->split(list).values;
  if (recorder_) {
    for (std::size_t i = 0; i < elements.size(); ++i) {
      elements[i].set_digest(element_digest(list.digest(), i));
    }
  }
  if (elements.size() > options_.elements_max) {
    return fail(
        frame, node,
        Error{ErrorCode::kResourceExhausted,
              "its list has " + std::to_string(elements.size()) + " elements, more than the " +
                  std::to_string(options_.elements_max) + " that the run allows (elements_max)"},
        0, {});
  }
  if (elements.empty()) {
    return complete(frame, node, joined(*frame, node, {}));
  }
  Control& control = frame->controls[node];
  control.left = elements.size();
  control.results.resize(elements.size());
  control.elements = std::move(elements);
  growing_.emplace_back(frame, node);
}

void RunState::open_elements(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  // Frames are small, but a hundred thousand at once are more than a cache holds; this many keep
  // every lane busy, and their siblings follow as they start.
  constexpr std::size_t kFreshMax = 256;
  while (!is_dead(*frame)) {
    // Anew each time: an element that fails at once may end the map.
    const auto found = frame->controls.find(node);
    if (found == frame->controls.end()) return;
    Control& control = found->second;
    if (control.next == control.elements.size() || control.fresh == kFreshMax) return;
    const std::size_t i = control.next++;
    ++control.fresh;
    open_frame(frame, node, 0, static_cast<std::int64_t>(i), std::move(control.elements[i]));
  }
}

void RunState::mark_started(Frame& frame) {
  for (Frame* f = &frame; f != nullptr && !f->started; f = f->parent.get()) {
    f->started = true;
    if (f->parent == nullptr) return;
    const NodeKind around = f->parent->body->nodes[f->node].kind;
    if (around != NodeKind::kMap && around != NodeKind::kCollect) continue;
    Control& control = f->parent->controls[f->node];
    --control.fresh;
    if (control.next < control.elements.size()) growing_.emplace_back(f->parent, f->node);
  }
}

void RunState::element_done(const std::shared_ptr<Frame>& frame, std::uint32_t node) {
  Control& control = frame->controls[node];
  if (--control.left > 0) return;
  Parts parts = std::move(control.parts);
  for (std::size_t i = 0; i < control.results.size(); ++i) {
    if (!control.results[i]) continue;
    parts.indices.push_back(static_cast<std::int64_t>(i));
    parts.values.push_back(std::move(control.results[i]));
  }
  std::ranges::sort(parts.missing, {}, &Missing::index);
  frame->controls.erase(node);
  complete(frame, node, joined(*frame, node, parts));
}

Value RunState::joined(const Frame& frame, std::uint32_t node, const Parts& parts) const {
  const Type& type = *frame.body->slots[frame.body->nodes[node].output].type;
  Value value = type.join(parts);
  if (recorder_) value.set_digest(joined_digest(type, parts));
  return value;
}

void RunState::complete(std::shared_ptr<Frame> frame, std::uint32_t node, Value value) {
  made_.push_back({std::move(frame), node, std::move(value)});
}

void RunState::drain() {
  while (!made_.empty() || !growing_.empty()) {
    if (made_.empty()) {
      const auto [frame, node] = std::move(growing_.front());
      growing_.pop_front();
      open_elements(frame, node);
      continue;
    }
    Made made = std::move(made_.front());
    made_.pop_front();
    if (is_dead(*made.frame)) continue;
    if (!made.value) {
      frame_done(made.frame);
      continue;
    }
    const Node& node = made.frame->body->nodes[made.node];
    ++report_.nodes;
    if (node.kind != NodeKind::kCode) emit(Event::Kind::kDone, *made.frame, made.node, 0);
    for (const Slot slot : node.inputs) {
      Frame::Cell& cell = made.frame->cells[slot];
      if (--cell.readers == 0) cell.value = Value();
    }
    deliver(made.frame, node.output, std::move(made.value));
    if (--made.frame->unfinished == 0) frame_done(made.frame);
  }
}

void RunState::frame_done(const std::shared_ptr<Frame>& frame) {
  Value value = frame->cells[frame->body->result].value;
  const std::shared_ptr<Frame>& parent = frame->parent;
  if (parent == nullptr) return settle(std::move(value));
  mark_started(*frame);  // it may have no node at all
  const Node& around = parent->body->nodes[frame->node];
  switch (around.kind) {
    case NodeKind::kMap:
    case NodeKind::kCollect:
      parent->controls[frame->node].results[static_cast<std::size_t>(frame->index)] =
          std::move(value);
      return element_done(parent, frame->node);
    case NodeKind::kLoop: {
      Control& control = parent->controls[frame->node];
      const bool ends = frame->body->has_until && frame->cells[frame->body->until].value.as<bool>();
      if (!ends && ++control.iteration < around.iterations_max) {
        open_frame(parent, frame->node, 0, control.iteration, std::move(value));
        return;
      }
      if (!ends && recorder_) {
        recorder_->record({.kind = TraceEvent::Kind::kBoundReached,
                           .path = parent->path(frame->node),
                           .begin = recorder_->now(),
                           .end = recorder_->now()});
      }
      if (!ends) emit(Event::Kind::kBoundReached, *parent, frame->node, 0);
      parent->controls.erase(frame->node);
      return complete(parent, frame->node, std::move(value));
    }
    case NodeKind::kScope:
      if (const auto end = scope_ends_.find(frame.get()); end != scope_ends_.end()) {
        (void)executor_.timers().cancel(end->second);
        scope_ends_.erase(end);
      }
      [[fallthrough]];
    case NodeKind::kBranch:
    case NodeKind::kPlan:
    case NodeKind::kCode:
    case NodeKind::kAsk:
      return complete(parent, frame->node, std::move(value));
  }
}

bool RunState::is_dead(const Frame& frame) const {
  if (result_) return true;
  for (const Frame* around = &frame; around != nullptr; around = around->parent.get()) {
    if (around->failed) return true;
  }
  return false;
}

void RunState::fail(const std::shared_ptr<Frame>& frame, std::uint32_t node, const Error& error,
                    int attempt, const Spend& spent) {
  record_failure(*frame, node, error, attempt, spent);
  emit(Event::Kind::kFailed, *frame, node, attempt, spent, &error);
  if (is_dead(*frame)) return;
  Error named = error.with_context("node " + frame->path(node));
  // Outward, until a map that collects keeps it, or the run ends.
  for (std::shared_ptr<Frame> dead = frame; dead != nullptr; dead = dead->parent) {
    dead->failed = true;
    const std::shared_ptr<Frame>& parent = dead->parent;
    if (parent == nullptr || parent->body->nodes[dead->node].kind != NodeKind::kCollect) continue;
    mark_started(*dead);
    parent->controls[dead->node].parts.missing.push_back(
        {dead->index, named.code, std::move(named.message)});
    return element_done(parent, dead->node);
  }
  settle(std::move(named));
}

}  // namespace weft::planner
