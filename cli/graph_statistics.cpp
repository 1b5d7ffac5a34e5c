#include "cli/graph_statistics.h"

#include <algorithm>
#include <filesystem>

#include "cli/text.h"
#include "inference/benchmark.h"
#include "inference/session.h"

namespace weft::cli {
namespace {

using planner::EngineRates;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Prompts and answers as graphs have them: short. A step of several sequences is as long as their
/// tokens together take, less what they have in common.
Result<EngineRates> measure(const std::shared_ptr<const inference::Model>& model,
                            std::stop_token stop) {
  inference::Benchmark benchmark{.prompt = 128, .generate = 12, .sequences = 4};
  benchmark.seconds = steady_seconds;
  benchmark.stop = std::move(stop);
  WEFT_TRY(session,
           inference::Session::open(model, {.context_length_max = benchmark.context_length()}));
  EngineRates rates;
  WEFT_TRY(prefill, inference::prefill_rate(session, benchmark));
  WEFT_TRY(decode, inference::decode_rate(session, benchmark));
  WEFT_TRY(batch, inference::batch_rate(model, benchmark));
  rates.prefill_tokens_per_s = prefill;
  const int sequences = static_cast<int>(benchmark.sequences);
  if (decode > 0) rates.step_seconds[1] = 1 / decode;
  if (batch > 0) rates.step_seconds[sequences] = sequences / batch;
  return rates;
}

}  // namespace

GraphStatistics::GraphStatistics(Context& context, const std::string& text,
                                 const GraphMachine& machine)
    : context_(context), machine_(machine), scope_(planner::stats_scope(text)) {
  if (machine.loaded) {
    engine_name_ = to_string(machine.loaded->model->numerics()) + "; threads " +
                   std::to_string(context.config.integer("engine.threads"));
    scope_ += " " + machine.loaded->name;
  }
  const std::filesystem::path path = context.data_home / "statistics.db";
  std::error_code error;
  std::filesystem::create_directories(context.data_home, error);  // else open() says what is wrong
  const auto read = [&]() -> Result<void> {
    WEFT_TRY(store, planner::StatsStore::open(path, /*create=*/true));
    WEFT_TRY(book, store.book(scope_));
    WEFT_TRY(engines, store.book(planner::kMachineScope));
    if (const EngineRates* known = engines.find_engine(engine_name_)) engine_ = *known;
    book_ = std::move(book);
    store_ = std::move(store);
    return {};
  }();
  if (!read) {
    context.console.warn("nothing is known of earlier runs: " + read.error().message);
  }
}

Result<void> GraphStatistics::measure_engine() {
  if (engine_ || !machine_.loaded) return {};
  context_.console.note("measuring how fast " + machine_.loaded->name + " is here");
  WEFT_TRY(rates, measure(machine_.loaded->model, context_.stop));
  engine_ = rates;
  planner::StatsBook seen;
  seen.engine(engine_name_) = rates;
  if (!store_) return {};
  const auto saved = store_->add(planner::kMachineScope, seen);
  if (!saved) context_.console.warn("the measurement isn't kept: " + saved.error().message);
  return {};
}

Result<planner::Forecast> GraphStatistics::forecast(const planner::AnyProgram& program,
                                                    const Question& question) const {
  planner::Machine machine;
  if (question.workers > 0) {
    machine.widths = {question.workers, question.workers, 1};
  } else {
    machine.widths = {GraphMachine::kCpuThreads, GraphMachine::kIoThreads, 1};
  }
  if (machine_.loaded) machine.model = machine_.loaded->name;
  machine.engine = engine_;
  return planner::forecast(program, book_, machine,
                           {.samples = question.samples,
                            .inputs = question.inputs,
                            .limit = question.limit,
                            .timeout = question.timeout,
                            .runs_plain_code = true});
}

void GraphStatistics::add(const planner::StatsBook& seen) {
  if (!store_) return;
  const auto added = store_->add(scope_, seen);
  if (!added) context_.console.warn("the run's statistics aren't kept: " + added.error().message);
}

std::string comparison_text(const planner::Comparison& comparison) {
  const auto line = [](const char* name, const planner::Compared& one, int digits) {
    return std::string(name) + ": " + fixed(one.measured, digits) + ", forecast " +
           fixed(one.predicted, digits) + " (80 %: " + fixed(one.interval.low, digits) + " to " +
           fixed(one.interval.high, digits) + (one.is_inside() ? "), inside\n" : "), outside\n");
  };
  return line("seconds", comparison.seconds, 2) +
         line("prompt tokens", comparison.prompt_tokens, 0) +
         line("output tokens", comparison.output_tokens, 0) + line("calls", comparison.calls, 0);
}

}  // namespace weft::cli
