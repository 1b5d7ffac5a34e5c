#include "planner/stats_collector.h"

#include <charconv>

#include "planner/positions.h"

namespace weft::planner {

StatsCollector::StatsCollector(StatsBook& book, const AnyProgram& program, std::string model)
    : book_(book), program_(program) {
  const std::vector<Position> all = positions(program_.body());
  for (const Position& position : all) {
    const Node& node = position.what();
    const bool is_code = node.kind == NodeKind::kCode;
    if (is_code) {
      const bool is_model = node.policy.lane == LaneKind::kModel;
      codes_.try_emplace(position.path, Code{function_key(node), is_model ? model : ""});
    } else {
      Control control{.kind = node.kind};
      if (node.kind == NodeKind::kPlan) {
        control.function = function_key(node);
        has_plans_ = true;
      }
      if (node.kind == NodeKind::kBranch) {
        control.yes_is_empty = node.bodies[0]->nodes.empty();
        control.no_is_empty = node.bodies[1]->nodes.empty();
      }
      controls_.try_emplace(position.path, control);
    }
    if (position.around < 0) continue;
    const Position& outer = all[static_cast<std::size_t>(position.around)];
    if (outer.what().kind != NodeKind::kBranch) continue;
    const Side side{.branch = outer.path, .yes = position.which == 0};
    const auto [known, is_new] = sides_.try_emplace({position.path, is_code}, side);
    if (!is_new && known->second.yes != side.yes) known->second.is_clear = false;
  }
}

void StatsCollector::see(const Event& event) {
  if (event.seq == 0) {  // what an earlier run left unfinished
    started_.clear();
    counts_.clear();
    taken_.clear();
    plans_.clear();
    fresh_.clear();
  }
  const std::string plain = without_indices(event.path);
  note_counts(event.path);
  note_side(event, plain);
  if (goes_on_) note_fresh(event);
  if (has_plans_) note_plans(event);
  switch (event.kind) {
    case Event::Kind::kStarted:
      started_[event.path] = event.time;
      return;
    case Event::Kind::kDone:
    case Event::Kind::kRetried:
    case Event::Kind::kFailed:
      return event.attempt > 0 ? end_attempt(event, plain) : end_control(event, plain);
    case Event::Kind::kBoundReached:
    case Event::Kind::kRecalled:  // it took what it took in another run
    case Event::Kind::kAsked:
      return;
  }
}

void StatsCollector::note_fresh(const Event& event) {
  if (event.kind != Event::Kind::kStarted) return;
  const std::string& path = event.path;
  for (std::size_t at = path.find_first_of("/["); at != std::string::npos;
       at = path.find_first_of("/[", at + 1)) {
    fresh_.insert(path.substr(0, at));
  }
  fresh_.insert(path);  // a branch and its one node may have the same
}

/// What is inside of a plan counts as the plan's: its steps are others the next time.
void StatsCollector::note_plans(const Event& event) {
  const std::string& path = event.path;
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string around = path.substr(0, at);
    const std::string plain = without_indices(around);
    const auto control = controls_.find(plain);
    if (control == controls_.end() || control->second.kind != NodeKind::kPlan) continue;
    Plan& plan = plans_.try_emplace(around, Plan{.begin = event.time}).first->second;
    if (event.kind == Event::Kind::kRecalled) plan.is_whole = false;
    if (event.kind != Event::Kind::kStarted) plan.spent = plan.spent + event.spent;
    const bool fails = event.kind == Event::Kind::kFailed && event.error != nullptr &&
                       event.error->code != ErrorCode::kCancelled;
    if (!fails || plan.has_failed) continue;
    plan.has_failed = true;
    add_plan(plain, plan, event.time);
  }
}

void StatsCollector::add_plan(const std::string& plain, const Plan& plan, SteadyTime end) {
  if (!plan.is_whole) return;
  const Spend& spent = plan.spent;
  book_.record({.function = controls_.at(plain).function,
                .path = plain,
                .model = {},
                .size_bucket = size_bucket(spent.prompt_tokens)},
               {.seconds = std::chrono::duration<double>(end - plan.begin).count(),
                .prompt_tokens = spent.prompt_tokens,
                .cached_tokens = spent.cached_tokens,
                .output_tokens = spent.output_tokens,
                .calls = spent.calls,
                .money_micros = spent.money_micros},
               plan.has_failed);
}

void StatsCollector::note_counts(const std::string& path) {
  for (std::size_t at = path.find('['); at != std::string::npos; at = path.find('[', at + 1)) {
    std::int64_t index = 0;
    const auto [end, wrong] = std::from_chars(&path[at] + 1, path.data() + path.size(), index);
    if (wrong != std::errc() || end == path.data() + path.size() || *end != ']') continue;
    std::int64_t& count = counts_[path.substr(0, at)];
    count = std::max(count, index + 1);
  }
}

void StatsCollector::note_side(const Event& event, const std::string& plain) {
  const auto found = sides_.find({plain, event.attempt > 0});
  if (found == sides_.end() || !found->second.is_clear) return;
  const Side& side = found->second;
  // The branch's own path is the node's without its name, or the same: see positions().
  const std::size_t cut = plain.size() - side.branch.size();
  taken_[event.path.substr(0, event.path.size() - cut)] = side.yes;
}

void StatsCollector::end_attempt(const Event& event, const std::string& plain) {
  const auto start = started_.find(event.path);
  const auto code = codes_.find(plain);
  // What never started had no budget; it says nothing about the node.
  if (start == started_.end() || code == codes_.end()) return;
  const std::chrono::duration<double> took = event.time - start->second;
  started_.erase(start);
  const bool failed = event.kind != Event::Kind::kDone;
  // Ended from outside: not the node's doing.
  if (failed && event.error != nullptr && event.error->code == ErrorCode::kCancelled) return;
  const NodeKey key{.function = code->second.function,
                    .path = plain,
                    .model = code->second.model,
                    .size_bucket = size_bucket(event.spent.prompt_tokens)};
  book_.record(key,
               {.seconds = took.count(),
                .prompt_tokens = event.spent.prompt_tokens,
                .cached_tokens = event.spent.cached_tokens,
                .output_tokens = event.spent.output_tokens,
                .calls = event.spent.calls,
                .money_micros = event.spent.money_micros},
               failed);
}

void StatsCollector::end_control(const Event& event, const std::string& plain) {
  const auto control = controls_.find(plain);
  if (control == controls_.end()) return;
  if (control->second.kind == NodeKind::kPlan) return end_plan(event, plain);
  if (event.kind != Event::Kind::kDone) return;
  if (goes_on_ && !fresh_.contains(event.path)) {
    counts_.erase(event.path);
    taken_.erase(event.path);
    return;
  }
  ControlStats& stats = book_.control(plain);
  switch (control->second.kind) {
    case NodeKind::kMap:
    case NodeKind::kCollect:
    case NodeKind::kLoop: {
      const auto seen = counts_.find(event.path);
      stats.counts.add(seen == counts_.end() ? 0 : seen->second);
      if (seen != counts_.end()) counts_.erase(seen);
      return;
    }
    case NodeKind::kBranch: {
      const auto side = taken_.find(event.path);
      const Control& what = control->second;
      // A side without nodes is the one of which nothing is heard.
      if (side == taken_.end() && what.yes_is_empty == what.no_is_empty) return;
      const bool yes = side != taken_.end() ? side->second : what.yes_is_empty;
      ++(yes ? stats.yes : stats.no);
      if (side != taken_.end()) taken_.erase(side);
      return;
    }
    case NodeKind::kScope:
    case NodeKind::kCode:
    case NodeKind::kAsk:
    case NodeKind::kPlan:
      return;
  }
}

void StatsCollector::end_plan(const Event& event, const std::string& plain) {
  // One that was refused never began.
  const bool is_refused = event.kind == Event::Kind::kFailed;
  const auto begun = plans_.find(event.path);
  if (begun == plans_.end()) {
    if (is_refused)
      add_plan(plain, {.begin = event.time, .spent = {}, .has_failed = true}, event.time);
    return;
  }
  if (event.kind == Event::Kind::kDone) add_plan(plain, begun->second, event.time);
  plans_.erase(begun);
}

}  // namespace weft::planner
