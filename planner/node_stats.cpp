#include "planner/node_stats.h"

#include <bit>
#include <cmath>

namespace weft::planner {

int size_bucket(std::int64_t size) noexcept {
  return size <= 0 ? 0 : static_cast<int>(std::bit_width(static_cast<std::uint64_t>(size)));
}

// Welford 1962: stable where a sum of squares isn't.
void Judgements::add_error(double error) {
  ++errors;
  const double before = error - error_mean;
  error_mean += before / static_cast<double>(errors);
  error_squares += before * (error - error_mean);
}

double Judgements::error_variance() const noexcept {
  return errors > 1 ? error_squares / static_cast<double>(errors - 1) : 0;
}

double EngineRates::step(int batch) const {
  if (step_seconds.empty()) return 0;
  if (step_seconds.size() == 1) return step_seconds.begin()->second;
  auto above = step_seconds.lower_bound(batch);
  if (above == step_seconds.begin()) ++above;
  if (above == step_seconds.end()) --above;
  const auto below = std::prev(above);
  const double place = static_cast<double>(batch - below->first) / (above->first - below->first);
  return std::max(0.0, std::lerp(below->second, above->second, place));
}

namespace {

void merge(Judgements& into, const Judgements& from) {
  into.with_answer += from.with_answer;
  into.right += from.right;
  into.without_answer += from.without_answer;
  into.false_alarms += from.false_alarms;
  if (from.errors == 0) return;
  // Chan et al. 1979.
  const auto mine = static_cast<double>(into.errors);
  const auto theirs = static_cast<double>(from.errors);
  const double apart = from.error_mean - into.error_mean;
  into.error_squares += from.error_squares + apart * apart * mine * theirs / (mine + theirs);
  into.error_mean += apart * theirs / (mine + theirs);
  into.errors += from.errors;
}

void merge(NodeStats& into, const NodeStats& from) {
  into.trials += from.trials;
  into.failures += from.failures;
  into.done.merge(from.done);
  into.failed.merge(from.failed);
  merge(into.judged, from.judged);
  if (into.fixed_prompt_tokens == 0) into.fixed_prompt_tokens = from.fixed_prompt_tokens;
}

}  // namespace

void StatsBook::record(const NodeKey& key, const AttemptSample& sample, bool failed) {
  NodeStats& stats = nodes_[key];
  ++stats.trials;
  if (failed) ++stats.failures;
  (failed ? stats.failed : stats.done).add(sample);
}

NodeStats StatsBook::find(std::string_view function, std::string_view path,
                          std::string_view model) const {
  NodeStats here;
  NodeStats anywhere;
  const NodeKey first{.function = std::string(function)};
  for (auto at = nodes_.lower_bound(first); at != nodes_.end(); ++at) {
    const auto& [key, stats] = *at;
    if (key.function != function) break;
    if (!model.empty() && key.model != model) continue;
    merge(anywhere, stats);
    if (key.path == path) merge(here, stats);
  }
  return here.trials > 0 ? here : anywhere;
}

bool StatsBook::knows(std::string_view function, std::string_view path,
                      std::string_view model) const {
  const NodeKey first{.function = std::string(function)};
  for (auto at = nodes_.lower_bound(first); at != nodes_.end(); ++at) {
    const auto& [key, stats] = *at;
    if (key.function != function) break;
    if (key.path == path && (model.empty() || key.model == model) && stats.trials > 0) return true;
  }
  return false;
}

const ControlStats* StatsBook::find_control(const std::string& path) const {
  const auto found = controls_.find(path);
  return found == controls_.end() ? nullptr : &found->second;
}

const EngineRates* StatsBook::find_engine(const std::string& model) const {
  const auto found = engines_.find(model);
  return found == engines_.end() ? nullptr : &found->second;
}

void StatsBook::add_run(const RunSample& run) {
  if (runs_.size() == kRunsKept) runs_.erase(runs_.begin());
  runs_.push_back(run);
}

SettingJudgement& StatsBook::judgement(std::int64_t size, std::int64_t overlap_percent,
                                       std::int64_t votes) {
  for (SettingJudgement& one : judgements_) {
    if (one.size == size && one.overlap_percent == overlap_percent && one.votes == votes) {
      return one;
    }
  }
  return judgements_.emplace_back(
      SettingJudgement{.size = size, .overlap_percent = overlap_percent, .votes = votes});
}

void StatsBook::add(const StatsBook& other) {
  for (const auto& [key, stats] : other.nodes_) merge(nodes_[key], stats);
  for (const auto& [path, stats] : other.controls_) {
    ControlStats& mine = controls_[path];
    mine.counts.merge(stats.counts);
    mine.yes += stats.yes;
    mine.no += stats.no;
  }
  for (const auto& [model, rates] : other.engines_) engines_[model] = rates;
  for (const RunSample& run : other.runs_) add_run(run);
  for (const SettingJudgement& one : other.judgements_) {
    merge(judgement(one.size, one.overlap_percent, one.votes).judged, one.judged);
  }
}

std::map<std::int64_t, double> StatsBook::miss_by_size(std::string_view function) const {
  std::map<int, Judgements> buckets;
  const NodeKey first{.function = std::string(function)};
  for (auto at = nodes_.lower_bound(first); at != nodes_.end(); ++at) {
    if (at->first.function != function) break;
    if (at->second.judged.with_answer > 0) merge(buckets[at->first.size_bucket], at->second.judged);
  }
  std::vector<double> missed;
  std::vector<double> weights;
  for (const auto& [bucket, judged] : buckets) {
    const auto all = static_cast<double>(judged.with_answer);
    missed.push_back((all - static_cast<double>(judged.right)) / all);
    weights.push_back(all);
  }
  const std::vector<double> fitted = isotonic(missed, weights);
  std::map<std::int64_t, double> result;
  std::size_t i = 0;
  for (const auto& [bucket, judged] : buckets) {
    result[bucket == 0 ? 0 : std::int64_t{1} << (bucket - 1)] = fitted[i++];
  }
  return result;
}

}  // namespace weft::planner
