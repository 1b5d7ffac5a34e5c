#pragma once
// What runs have shown about nodes: how long they take, what they spend, how often they fail or are
// wrong, how wide maps are. The forecast draws from it. Bounded: a key keeps counts and a random
// choice of its attempts, however many there were.

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/reservoir.h"
#include "planner/statistics.h"

namespace weft::planner {

/// Of which node, on which model, for inputs of which size.
struct NodeKey {
  std::string function;  // its name, "@" and its version; see function_key()
  std::string path;      // in its program, without indices: "refine/fix"
  std::string model;     // empty for code
  int size_bucket = 0;   // see size_bucket()

  auto operator<=>(const NodeKey&) const = default;
};

/// 0 for nothing, else 1 + floor(log2 size): sizes that differ by less than two share one.
int size_bucket(std::int64_t size) noexcept;

/// One attempt.
struct AttemptSample {
  double seconds = 0;
  std::int64_t prompt_tokens = 0;  // cached ones included
  std::int64_t cached_tokens = 0;  // of them, where it is known
  std::int64_t output_tokens = 0;
  std::int64_t calls = 0;
  std::int64_t money_micros = 0;
  friend bool operator==(const AttemptSample&, const AttemptSample&) = default;
};

/// Counts of answers that someone who knows the right one has judged.
struct Judgements {
  std::int64_t with_answer = 0;     // inputs that have an answer
  std::int64_t right = 0;           // of them: recall
  std::int64_t without_answer = 0;  // inputs that have none
  std::int64_t false_alarms = 0;    // of them
  std::int64_t errors = 0;          // signed errors, of numbers
  double error_mean = 0;
  double error_squares = 0;  // sum of squared distances from the mean

  void add_error(double error);
  double error_variance() const noexcept;  // 0 for fewer than two
  Interval recall_95() const { return wilson(double(right), double(with_answer)); }
  Interval false_alarm_95() const { return wilson(double(false_alarms), double(without_answer)); }
  friend bool operator==(const Judgements&, const Judgements&) = default;
};

struct NodeStats {
  std::int64_t trials = 0;    // attempts that ended by themselves
  std::int64_t failures = 0;  // of them
  Reservoir<AttemptSample> done;
  Reservoir<AttemptSample> failed;
  Judgements judged;
  std::int64_t fixed_prompt_tokens = 0;  // L_sys: what every call reads; 0 = not known

  Interval success_95() const { return wilson(double(trials - failures), double(trials)); }
  /// The q-quantile of a member of those that succeeded: `quantile_of(&AttemptSample::seconds,
  /// .5)`.
  template <typename T>
  double quantile_of(T AttemptSample::*member, double q) const {
    std::vector<double> values;
    for (const AttemptSample& sample : done.items()) values.push_back(double(sample.*member));
    std::ranges::sort(values);
    return quantile(values, q);
  }
  friend bool operator==(const NodeStats&, const NodeStats&) = default;
};

/// Of a map, how wide it was; of a loop, how many iterations it took; of a branch, which side.
struct ControlStats {
  Reservoir<std::int64_t> counts;
  std::int64_t yes = 0;
  std::int64_t no = 0;
  friend bool operator==(const ControlStats&, const ControlStats&) = default;
};

/// How fast a model's engine is: prefill of one prompt after the other, decode in steps whose time
/// depends on how many sequences are in the batch.
struct EngineRates {
  double prefill_tokens_per_s = 0;
  std::map<int, double> step_seconds;  // tau(b), by batch, at those measured

  /// tau(b), linear between and beyond the measured ones; 0 if none was.
  double step(int batch) const;
  friend bool operator==(const EngineRates&, const EngineRates&) = default;
};

/// A whole run that gave its value, beside what had been forecast for it without calibrate().
struct RunSample {
  double seconds = 0;
  double seconds_forecast = 0;  // the middle one; 0 = none was made
  double output_tokens = 0;
  double output_tokens_forecast = 0;
  friend bool operator==(const RunSample&, const RunSample&) = default;
};

/// Answers to whole runs whose right ones were known, under one choice of what can be tuned.
struct SettingJudgement {
  std::int64_t size = 1;
  std::int64_t overlap_percent = 0;
  std::int64_t votes = 1;
  Judgements judged;
  friend bool operator==(const SettingJudgement&, const SettingJudgement&) = default;
};

/// A value; not for several threads at once.
class StatsBook {
 public:
  void record(const NodeKey& key, const AttemptSample& sample, bool failed);
  NodeStats& node(const NodeKey& key) { return nodes_[key]; }
  /// What is known of a function at `path`, all sizes together; without anything there, of the
  /// function wherever it ran. `model` empty: on any.
  NodeStats find(std::string_view function, std::string_view path,
                 std::string_view model = {}) const;

  /// Whether find() has something of that path itself.
  bool knows(std::string_view function, std::string_view path, std::string_view model = {}) const;

  /// By the path of the map, loop or branch, without indices.
  ControlStats& control(const std::string& path) { return controls_[path]; }
  const ControlStats* find_control(const std::string& path) const;
  EngineRates& engine(const std::string& model) { return engines_[model]; }
  const EngineRates* find_engine(const std::string& model) const;

  /// The chance of a wrong answer where there is a right one, by the smallest size of each bucket
  /// with judgements; fitted so that it never falls with size.
  std::map<std::int64_t, double> miss_by_size(std::string_view function) const;

  const std::map<NodeKey, NodeStats>& nodes() const noexcept { return nodes_; }

  /// The latest kRunsKept runs, oldest first.
  static constexpr std::size_t kRunsKept = 64;
  void add_run(const RunSample& run);
  const std::vector<RunSample>& runs() const noexcept { return runs_; }

  SettingJudgement& judgement(std::int64_t size, std::int64_t overlap_percent, std::int64_t votes);
  const std::vector<SettingJudgement>& judgements() const noexcept { return judgements_; }

  /// What another book has, as if its runs had followed on those of this one.
  void add(const StatsBook& other);

  /// One line of UTF-8, and back. Errors: kInvalidArgument says what is wrong where.
  std::string json() const;
  static Result<StatsBook> from_json(std::string_view json);

  friend bool operator==(const StatsBook&, const StatsBook&) = default;

 private:
  std::map<NodeKey, NodeStats> nodes_;
  std::map<std::string, ControlStats> controls_;
  std::map<std::string, EngineRates> engines_;
  std::vector<RunSample> runs_;
  std::vector<SettingJudgement> judgements_;
};

}  // namespace weft::planner
