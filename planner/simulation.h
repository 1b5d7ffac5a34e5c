#pragma once
// A program with its code replaced by what a plan draws, run again and again on one virtual clock.
// Inside planner only.

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "planner/executor.h"
#include "planner/simulated_engine.h"
#include "planner/simulation_plan.h"

namespace weft::planner {

/// What samples of one Simulation have shown, summed.
struct SampleSums {
  struct OfNode {
    double attempts = 0;
    double failures = 0;
    double seconds = 0;
    double prompt_tokens = 0;
    double output_tokens = 0;
    double calls = 0;
    double money_micros = 0;
    double critical_seconds = 0;
  };
  /// Of the score of one evidence, the derivative of the log-likelihood by its chance, and of
  /// whether the run succeeded.
  struct OfEvidence {
    double score = 0;
    double score_squared = 0;
    double success_score = 0;
    double success_score_squared = 0;
  };
  std::vector<OfNode> nodes;
  std::vector<OfEvidence> evidences;
  double traced_seconds = 0;  // of the samples whose critical chain was followed

  void add(const SampleSums& other);
};

struct Sample {
  bool succeeded = false;
  ErrorCode error = ErrorCode::kInternal;  // if it didn't
  double seconds = 0;
  Spend spent;
};

/// Borrows the plan, the machine and the options. For one thread; a sample's result depends on the
/// seed and its number alone.
class Simulation {
 public:
  Simulation(const AnyProgram& program, const SimulationPlan& plan, const Machine& machine,
             const ForecastOptions& options);
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Errors: those of forecast().
  Result<Sample> run(std::uint64_t number, bool trace);
  const SampleSums& sums() const noexcept { return sums_; }

 private:
  struct Record {
    std::size_t node;
    SteadyTime begin;
    SteadyTime end;
  };
  struct Drawn {
    AttemptSample sample;
    bool failed;
  };
  struct PromptSize {
    std::int64_t tokens = 0;
    std::int64_t shared = 0;  // with the node's first prompt, which siblings read once
  };

  std::shared_ptr<const Body> replace_code(const Body& body);
  FunctionPtr simulated(const Node& node, std::size_t index);
  Drawn draw(std::size_t index);
  Drawn draw_sized(std::size_t index, const PromptSize& size);
  /// Nothing where the prompt can't be made: the run will say why.
  std::optional<PromptSize> prompt_size(const Ctx& ctx, std::size_t index, Arguments in);
  Result<Value> run_code(Ctx& ctx, std::size_t index, Arguments in);
  void note(std::size_t index, const Drawn& drawn, SteadyTime begin, SteadyTime end);
  Result<Value> run_node(Ctx& ctx, std::size_t index, Arguments in);
  void start_node(std::shared_ptr<Call> call, std::size_t index);
  Result<Value> outcome(const Ctx& ctx, std::size_t index, bool failed);
  bool ends_loop(const Ctx& ctx, const NodePlan& plan);
  Result<Inputs> make_inputs();
  void follow_chain(SteadyTime begin, std::chrono::nanoseconds duration);
  void score(bool succeeded);

  const SimulationPlan& plan_;
  const ForecastOptions& options_;
  VirtualExecutor executor_;
  std::optional<SimulatedEngine> engine_;
  StandIns stand_ins_;
  // By path; the same in each sample:
  std::unordered_map<std::string, Value> values_;  // of nodes that are run
  std::unordered_map<std::string, PromptSize> prompts_;
  std::unordered_map<std::size_t, std::vector<std::int32_t>> first_prompts_;  // by position
  std::size_t next_ = 0;  // position of the next node to replace
  AnyProgram program_;
  // Of the sample that runs:
  Random random_{0};
  std::uint64_t number_ = 0;
  std::vector<std::pair<double, double>> evidence_;  // attempts, failures
  std::optional<Error> impossible_;                  // what no sample could do
  bool is_traced_ = false;
  std::vector<Record> records_;
  SampleSums sums_;
};

}  // namespace weft::planner
