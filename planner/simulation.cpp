#include "planner/simulation.h"

#include <algorithm>
#include <charconv>

namespace weft::planner {
namespace {

std::chrono::nanoseconds nanoseconds(double seconds) {
  constexpr double kLongest = 1e9;  // seconds: what a clock in ns can hold many times over
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(std::clamp(seconds, 0.0, kLongest) * 1e9 + 0.5));
}

Spend spend_of(const AttemptSample& sample) {
  return {.prompt_tokens = sample.prompt_tokens,
          .output_tokens = sample.output_tokens,
          .calls = sample.calls,
          .money_micros = sample.money_micros,
          .cached_tokens = sample.cached_tokens};
}

}  // namespace

void SampleSums::add(const SampleSums& other) {
  nodes.resize(std::max(nodes.size(), other.nodes.size()));
  for (std::size_t i = 0; i < other.nodes.size(); ++i) {
    nodes[i].attempts += other.nodes[i].attempts;
    nodes[i].failures += other.nodes[i].failures;
    nodes[i].seconds += other.nodes[i].seconds;
    nodes[i].prompt_tokens += other.nodes[i].prompt_tokens;
    nodes[i].output_tokens += other.nodes[i].output_tokens;
    nodes[i].calls += other.nodes[i].calls;
    nodes[i].money_micros += other.nodes[i].money_micros;
    nodes[i].critical_seconds += other.nodes[i].critical_seconds;
  }
  evidences.resize(std::max(evidences.size(), other.evidences.size()));
  for (std::size_t i = 0; i < other.evidences.size(); ++i) {
    evidences[i].score += other.evidences[i].score;
    evidences[i].score_squared += other.evidences[i].score_squared;
    evidences[i].success_score += other.evidences[i].success_score;
    evidences[i].success_score_squared += other.evidences[i].success_score_squared;
  }
  traced_seconds += other.traced_seconds;
}

Simulation::Simulation(const AnyProgram& program, const SimulationPlan& plan,
                       const Machine& machine, const ForecastOptions& options)
    : plan_(plan),
      options_(options),
      executor_(machine.widths),
      stand_ins_(options.stand_ins),
      program_(replace_code(program.body())),
      evidence_(plan.evidences) {
  if (machine.engine) engine_.emplace(*machine.engine, executor_.timers());
  sums_.nodes.resize(plan.nodes.size());
  sums_.evidences.resize(plan.evidences);
}

// In the order of positions(), so that next_ is each node's.
std::shared_ptr<const Body> Simulation::replace_code(const Body& body) {
  auto copy = std::make_shared<Body>(body);
  for (Node& node : copy->nodes) {
    const std::size_t index = next_++;
    // Somebody who answers after the time that is expected, or a plan, which is drawn as a whole:
    // nobody knows its steps yet.
    if (node.kind == NodeKind::kAsk || node.kind == NodeKind::kPlan) {
      node.kind = NodeKind::kCode;
      auto code = std::make_shared<Function>();
      for (const Slot slot : node.inputs) code->inputs.push_back(body.slots[slot].type);
      code->output = body.slots[node.output].type;
      // Neither keeps a worker.
      code->start = [this, index](std::shared_ptr<Call> call) {
        start_node(std::move(call), index);
      };
      node.code = std::move(code);
    } else if (node.kind == NodeKind::kCode) {
      node.code = simulated(node, index);
    }
    for (auto& inside : node.bodies) inside = replace_code(*inside);
  }
  return copy;
}

FunctionPtr Simulation::simulated(const Node& node, std::size_t index) {
  auto made = std::make_shared<Function>();
  made->inputs = node.code->inputs;
  made->output = node.code->output;
  if (node.code->run) {
    made->run = [this, index](Ctx& ctx, Arguments in) { return run_node(ctx, index, in); };
  } else {
    made->start = [this, index](std::shared_ptr<Call> call) { start_node(std::move(call), index); };
  }
  return made;
}

Simulation::Drawn Simulation::draw(std::size_t index) {
  const NodePlan& plan = plan_.nodes[index];
  const bool failed = plan.failure > 0 && random_.chance(plan.failure);
  const auto& samples = failed ? plan.failed : plan.done;
  const std::size_t which = samples.size() == 1 ? 0 : random_.below(samples.size());
  return {samples[which], failed};
}

// Calls of about that size: a quarter of those that are known, by rank, but not too few.
Simulation::Drawn Simulation::draw_sized(std::size_t index, const PromptSize& size) {
  const NodePlan& plan = plan_.nodes[index];
  Drawn drawn = draw(index);
  if (!drawn.failed) {
    constexpr std::size_t kFewest = 8;
    constexpr std::size_t kMost = 64;
    const std::vector<AttemptSample>& all = plan.done;
    const std::size_t count = std::min(all.size(), std::clamp(all.size() / 4, kFewest, kMost));
    const auto place =
        std::ranges::lower_bound(all, size.tokens, {}, &AttemptSample::prompt_tokens);
    const auto rank = static_cast<std::size_t>(place - all.begin());
    const std::size_t first = std::min(rank - std::min(rank, count / 2), all.size() - count);
    drawn.sample = all[first + random_.below(count)];
  }
  drawn.sample.prompt_tokens = size.tokens;
  drawn.sample.cached_tokens = size.shared;
  return drawn;
}

std::optional<Simulation::PromptSize> Simulation::prompt_size(const Ctx& ctx, std::size_t index,
                                                              Arguments in) {
  std::string path = ctx.path();
  if (const auto known = prompts_.find(path); known != prompts_.end()) return known->second;
  const auto prompt = plan_.positions[index].what().code->prompt(in);
  if (!prompt) return std::nullopt;
  PromptSize size{.tokens = static_cast<std::int64_t>(prompt->size())};
  const auto [first, is_new] = first_prompts_.try_emplace(index, *prompt);
  if (!is_new)
    size.shared = std::ranges::mismatch(first->second, *prompt).in1 - first->second.begin();
  prompts_.emplace(std::move(path), size);
  return size;
}

Result<Value> Simulation::run_code(Ctx& ctx, std::size_t index, Arguments in) {
  std::string path = ctx.path();
  if (const auto known = values_.find(path); known != values_.end()) return known->second;
  auto value = plan_.positions[index].what().code->run(ctx, in);
  if (value) values_.emplace(std::move(path), *value);
  return value;
}

void Simulation::note(std::size_t index, const Drawn& drawn, SteadyTime begin, SteadyTime end) {
  SampleSums::OfNode& sums = sums_.nodes[index];
  sums.attempts += 1;
  sums.seconds += std::chrono::duration<double>(end - begin).count();
  sums.prompt_tokens += static_cast<double>(drawn.sample.prompt_tokens);
  sums.output_tokens += static_cast<double>(drawn.sample.output_tokens);
  sums.calls += static_cast<double>(drawn.sample.calls);
  sums.money_micros += static_cast<double>(drawn.sample.money_micros);
  const NodePlan& plan = plan_.nodes[index];
  if (plan.failure > 0) {
    evidence_[plan.evidence].first += 1;
    evidence_[plan.evidence].second += drawn.failed ? 1 : 0;
  }
  if (is_traced_ && end > begin) records_.push_back({index, begin, end});
}

Result<Value> Simulation::run_node(Ctx& ctx, std::size_t index, Arguments in) {
  const Drawn drawn = draw(index);
  const SteadyTime begin = ctx.now();
  WEFT_TRY_VOID(ctx.sleep_for(nanoseconds(drawn.sample.seconds)));
  note(index, drawn, begin, ctx.now());
  if (plan_.nodes[index].is_run) return run_code(ctx, index, in);
  const AttemptSample& sample = drawn.sample;
  if (sample.prompt_tokens != 0 || sample.output_tokens != 0 || sample.calls != 0 ||
      sample.money_micros != 0 || plan_.nodes[index].is_known) {
    ctx.spend(spend_of(sample));
  }
  return outcome(ctx, index, drawn.failed);
}

void Simulation::start_node(std::shared_ptr<Call> call, std::size_t index) {
  std::optional<PromptSize> size;
  if (plan_.nodes[index].has_prompt) {
    std::vector<const Value*> in;
    for (std::size_t i = 0; i < plan_.positions[index].what().inputs.size(); ++i) {
      in.push_back(&call->argument(i));
    }
    size = prompt_size(call->ctx(), index, in);
  }
  const Drawn drawn = size ? draw_sized(index, *size) : draw(index);
  const AttemptSample& sample = drawn.sample;
  const SteadyTime begin = call->ctx().now();
  const auto finish = [this, call, index, drawn, begin, number = number_] {
    // A stop or its timeout may have ended it long ago, in an earlier sample even.
    if (number != number_ || call->ctx().stop().stop_requested()) return;
    note(index, drawn, begin, executor_.clock().steady_now());
    call->ctx().spend(spend_of(drawn.sample));
    call->finish(outcome(call->ctx(), index, drawn.failed));
  };
  if (plan_.nodes[index].in_engine) {
    engine_->add(
        {.prefill_seconds = engine_->prefill_seconds(sample.prompt_tokens - sample.cached_tokens),
         .tokens = static_cast<double>(sample.output_tokens),
         .done = finish,
         .is_gone = [call] { return call->ctx().stop().stop_requested(); }});
    return;
  }
  executor_.timers().at(begin + nanoseconds(sample.seconds), finish);
}

Result<Value> Simulation::outcome(const Ctx& ctx, std::size_t index, bool failed) {
  // Of a kind that is tried again, as whatever failed before was counted by attempts.
  if (failed) return Error{ErrorCode::kNetwork, "drawn"};
  const NodePlan& plan = plan_.nodes[index];
  if (!plan.ends.empty()) return make_value<bool>(ends_loop(ctx, plan));
  auto value = stand_ins_.make(*plan.output, plan.shape, random_);
  if (!value && !impossible_) {
    impossible_ = value.error().with_context("node " + plan_.positions[index].path);
  }
  return value;
}

bool Simulation::ends_loop(const Ctx& ctx, const NodePlan& plan) {
  const std::string path = ctx.path();
  std::size_t at = path.find('[');
  for (std::size_t i = 0; i < plan.loop_depth && at != std::string::npos; ++i) {
    at = path.find('[', at + 1);
  }
  if (at == std::string::npos) return true;
  std::size_t iteration = 0;
  std::from_chars(&path[at] + 1, path.data() + path.size(), iteration);
  return iteration >= plan.ends.size() || random_.chance(plan.ends[iteration]);
}

Result<Inputs> Simulation::make_inputs() {
  Inputs inputs = options_.inputs;
  const std::vector<Input>& wanted = program_.body().inputs;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (inputs.values().contains(wanted[i].name)) continue;
    auto value = stand_ins_.make(*wanted[i].type, plan_.inputs[i], random_);
    if (!value) return std::move(value).error().with_context("input " + wanted[i].name);
    inputs.set_value(wanted[i].name, *std::move(value));
  }
  return inputs;
}

Result<Sample> Simulation::run(std::uint64_t number, bool trace) {
  random_ = Random(options_.seed, number);
  number_ = number;
  is_traced_ = trace;
  records_.clear();
  std::ranges::fill(evidence_, std::pair(0.0, 0.0));
  if (engine_) engine_->reset();
  WEFT_TRY(inputs, make_inputs());
  const SteadyTime begin = executor_.clock().steady_now();
  Runtime runtime(executor_);
  WEFT_TRY(run,
           runtime.run_any(program_, inputs,
                           {.limit = options_.limit, .timeout = options_.timeout, .seed = number}));
  const Result<Value> value = run.wait_value();
  if (impossible_) return *impossible_;
  const Report report = run.report();
  Sample sample{.succeeded = value.has_value(),
                .seconds = std::chrono::duration<double>(report.duration).count(),
                .spent = report.spent};
  if (!value) sample.error = value.error().code;
  score(sample.succeeded);
  if (trace) follow_chain(begin, report.duration);
  return sample;
}

void Simulation::score(bool succeeded) {
  // By nodes, since a chance is a node's; those of one evidence have the same.
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) {
    const NodePlan& plan = plan_.nodes[i];
    if (plan.failure <= 0) continue;
    auto& [attempts, failures] = evidence_[plan.evidence];
    if (attempts == 0) continue;
    // Of a chance of 1, no attempt succeeded.
    const double right = plan.failure < 1 ? (attempts - failures) / (1 - plan.failure) : 0;
    const double score = failures / plan.failure - right;
    SampleSums::OfEvidence& sums = sums_.evidences[plan.evidence];
    sums.score += score;
    sums.score_squared += score * score;
    if (succeeded) {
      sums.success_score += score;
      sums.success_score_squared += score * score;
    }
    attempts = failures = 0;  // counted
  }
}

void Simulation::follow_chain(SteadyTime begin, std::chrono::nanoseconds duration) {
  sums_.traced_seconds += std::chrono::duration<double>(duration).count();
  std::ranges::stable_sort(records_, {}, &Record::end);
  SteadyTime at = begin + duration;
  while (at > begin) {
    // The last that ended by then; what lies between is waiting, such as before a retry.
    const auto after = std::ranges::upper_bound(records_, at, {}, &Record::end);
    if (after == records_.begin()) return;
    const Record& last = *std::prev(after);
    sums_.nodes[last.node].critical_seconds +=
        std::chrono::duration<double>(last.end - last.begin).count();
    at = last.begin;
  }
}

}  // namespace weft::planner
