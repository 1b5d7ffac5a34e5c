#include "planner/tune_models.h"

#include <algorithm>
#include <cmath>

#include "planner/cost_model.h"
#include "planner/error_model.h"
#include "planner/statistics.h"

namespace weft::planner {
namespace {

Outcome cost_of(const CallModel& call, std::int64_t calls, const Setting& setting) {
  const auto m = static_cast<double>(setting.size);
  const auto count = static_cast<double>(calls);
  const double prefixes = call.prefix_is_cached ? 1 : count;
  const double read = prefixes * call.prompt_tokens + count * call.tokens_a_unit * m;
  const double written = count * (call.output_tokens + call.output_a_unit * m);
  const double money = read * call.price.prompt_micros + written * call.price.output_micros;
  return {.cost = money > 0 ? money : read + written,
          .seconds = latency(calls, setting.workers, call.seconds + call.seconds_a_unit * m),
          .tokens = read + written,
          .calls = count};
}

}  // namespace

Outcome evaluate(const CountingTask& task, const Setting& setting) {
  const std::int64_t count = parts(task.n, setting.size);
  Outcome outcome = cost_of(task.call, count * setting.votes, setting);
  const auto k = static_cast<double>(count);
  const double sd = task.sd(setting.size);
  const double bias = task.bias ? task.bias(setting.size) : 0;
  outcome.error = mean_size_of_normal(k * bias, k * sd * sd / static_cast<double>(setting.votes));
  return outcome;
}

Outcome evaluate(const NeedleTask& task, const Setting& setting) {
  const std::int64_t stride =
      std::max<std::int64_t>(1, setting.size - setting.size * setting.overlap_percent / 100);
  const std::int64_t chunks = windows(task.n, setting.size, stride);
  Outcome outcome = cost_of(task.call, chunks * setting.votes, setting);
  constexpr std::int64_t kHalf = 50;  // percent: from there on a needle is in two windows
  const auto most = [&](double p) { return majority_right(setting.votes, p); };
  outcome.error =
      needle_error({.recall = most(task.recall(setting.size)),
                    .false_alarm = task.false_alarm ? most(task.false_alarm(setting.size)) : 0,
                    .chunks = chunks,
                    .with_needle = setting.overlap_percent >= kHalf && chunks > 1 ? 2 : 1});
  return outcome;
}

}  // namespace weft::planner
