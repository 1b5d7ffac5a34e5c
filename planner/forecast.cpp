#include "planner/forecast.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "planner/simulation.h"

namespace weft::planner {
namespace {

// Samples of one Simulation; chunks are summed in their order, so that the number of threads
// changes no bit of the result.
constexpr int kChunk = 50;
constexpr std::uint64_t kTraced = 64;  // samples whose critical chain is followed

struct Chunk {
  std::vector<Sample> samples;
  SampleSums sums;
  std::optional<Error> error;
};

void run_chunk(Chunk& chunk, int first, int end, const AnyProgram& program,
               const SimulationPlan& plan, const Machine& machine, const ForecastOptions& options) {
  Simulation simulation(program, plan, machine, options);
  for (int i = first; i < end; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    const auto sample = simulation.run(number, number < kTraced);
    if (!sample) {
      chunk.error = sample.error();
      return;
    }
    chunk.samples.push_back(*sample);
  }
  chunk.sums = simulation.sums();
}

Result<std::vector<Chunk>> run_chunks(const AnyProgram& program, const SimulationPlan& plan,
                                      const Machine& machine, const ForecastOptions& options) {
  const int count = std::max(1, options.samples);
  std::vector<Chunk> chunks(static_cast<std::size_t>((count + kChunk - 1) / kChunk));
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t c = next++; c < chunks.size(); c = next++) {
      const int first = static_cast<int>(c) * kChunk;
      run_chunk(chunks[c], first, std::min(first + kChunk, count), program, plan, machine, options);
    }
  };
  {
    std::vector<std::jthread> helpers;
    const std::size_t threads = std::min(options.threads, chunks.size());
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }
  for (const Chunk& chunk : chunks) {
    if (chunk.error) return *chunk.error;
  }
  return chunks;
}

/// The spread of one figure of the samples that count.
template <typename F>
Spread spread(const std::vector<Sample>& samples, F figure) {
  const bool any = std::ranges::any_of(samples, &Sample::succeeded);
  std::vector<double> values;
  for (const Sample& sample : samples) {
    if (sample.succeeded || !any) values.push_back(static_cast<double>(figure(sample)));
  }
  return spread_of(std::move(values));
}

/// How many runs would leave one as uncertain of the chance of success as the samples' own noise
/// does, and that of each evidence's chance p, of n attempts: (dP/dp)^2 p (1 - p) / n. The
/// derivative is the mean of success times score. Source: Rubinstein and Shapiro 1993, score
/// functions.
double success_trials(double success, double samples, const SampleSums& sums,
                      const SimulationPlan& plan) {
  double variance = success * (1 - success) / samples;
  std::vector<bool> is_counted(plan.evidences);
  std::int64_t fewest = 0;  // attempts behind any known node
  for (const NodePlan& node : plan.nodes) {
    if (!node.is_known) continue;
    if (fewest == 0 || node.trials < fewest) fewest = node.trials;
    if (node.failure <= 0 || is_counted[node.evidence]) continue;
    is_counted[node.evidence] = true;
    const SampleSums::OfEvidence& of = sums.evidences[node.evidence];
    const double slope = (of.success_score - success * of.score) / samples;
    // (S - P)^2 score^2 on average, S being 0 or 1.
    const double square =
        ((1 - 2 * success) * of.success_score_squared + success * success * of.score_squared) /
        samples;
    const double noise = std::max(0.0, square - slope * slope) / samples;
    variance += std::max(0.0, slope * slope - noise) * node.failure * (1 - node.failure) /
                static_cast<double>(node.trials);
  }
  // Where none failed, no more than were seen.
  return variance > 0 ? success * (1 - success) / variance
                      : std::min(samples, static_cast<double>(fewest));
}

std::vector<NodeForecast> node_forecasts(const SimulationPlan& plan, const SampleSums& sums,
                                         double samples) {
  std::vector<NodeForecast> nodes;
  for (std::size_t i = 0; i < plan.positions.size(); ++i) {
    const Node& node = plan.positions[i].what();
    if (node.kind != NodeKind::kCode) continue;
    const SampleSums::OfNode& of = sums.nodes[i];
    nodes.push_back({.path = plan.positions[i].path,
                     .function = function_key(node),
                     .is_known = plan.nodes[i].is_known,
                     .attempts = of.attempts / samples,
                     .seconds = of.seconds / samples,
                     .prompt_tokens = of.prompt_tokens / samples,
                     .output_tokens = of.output_tokens / samples,
                     .calls = of.calls / samples,
                     .money_micros = of.money_micros / samples,
                     .critical_share =
                         sums.traced_seconds > 0 ? of.critical_seconds / sums.traced_seconds : 0});
  }
  return nodes;
}

}  // namespace

Interval Forecast::success_of(std::int64_t runs) const {
  if (success_trials <= 0 || runs <= 0) return {};
  const double trials = 1 / (1 / success_trials + 1 / static_cast<double>(runs));
  return wilson(success * trials, trials);
}

Result<Forecast> forecast(const AnyProgram& program, const StatsBook& book, const Machine& machine,
                          const ForecastOptions& options) {
  const SimulationPlan plan = make_plan(program.body(), book, machine, options);
  WEFT_TRY(chunks, run_chunks(program, plan, machine, options));
  std::vector<Sample> samples;
  SampleSums sums;
  for (const Chunk& chunk : chunks) {
    samples.insert(samples.end(), chunk.samples.begin(), chunk.samples.end());
    sums.add(chunk.sums);
  }
  Forecast result;
  result.samples = static_cast<int>(samples.size());
  const auto count = static_cast<double>(samples.size());
  result.seconds = spread(samples, [](const Sample& s) { return s.seconds; });
  result.prompt_tokens = spread(samples, [](const Sample& s) { return s.spent.prompt_tokens; });
  result.output_tokens = spread(samples, [](const Sample& s) { return s.spent.output_tokens; });
  result.calls = spread(samples, [](const Sample& s) { return s.spent.calls; });
  result.money_micros = spread(samples, [](const Sample& s) { return s.spent.money_micros; });
  double succeeded = 0;
  for (const Sample& sample : samples) {
    if (sample.succeeded) {
      succeeded += 1;
    } else {
      ++result.failures[std::string(to_string(sample.error))];
    }
  }
  result.success = succeeded / count;
  result.success_trials = success_trials(result.success, count, sums, plan);
  result.success_95 = wilson(result.success * result.success_trials, result.success_trials);
  result.nodes = node_forecasts(plan, sums, count);
  result.unknown = plan.unknown;
  return result;
}

}  // namespace weft::planner
