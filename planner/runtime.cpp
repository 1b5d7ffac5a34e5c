#include "planner/runtime.h"

#include "planner/run_state.h"
#include "planner/value_codec.h"

namespace weft::planner {
namespace {

Result<std::vector<Value>> in_order(const Body& body, const Inputs& inputs) {
  std::vector<Value> values;
  for (const Input& input : body.inputs) {
    const auto given = inputs.values().find(input.name);
    if (given == inputs.values().end()) {
      return Error{ErrorCode::kInvalidArgument,
                   "the program's input " + input.name + " (" + input.type->name + ") isn't set"};
    }
    if (given->second.type() != input.type) {
      return Error{ErrorCode::kInvalidArgument, "the program's input " + input.name +
                                                    " is of type " + input.type->name + ", not " +
                                                    given->second.type()->name};
    }
    values.push_back(given->second);
  }
  if (values.size() == inputs.values().size()) return values;
  for (const auto& [name, value] : inputs.values()) {
    const auto same = [&](const Input& input) { return input.name == name; };
    if (std::none_of(body.inputs.begin(), body.inputs.end(), same)) {
      return Error{ErrorCode::kInvalidArgument, "the program has no input " + name};
    }
  }
  return values;
}

Result<AnyRun> begin(Executor& executor, const AnyProgram& program, std::vector<Value> values,
                     const RunOptions& options, std::unique_ptr<Recorder> recorder,
                     bool caller_works) {
  WEFT_TRY_VOID(check_budget(program.body(), options.limit));
  auto state = std::make_shared<RunState>(executor, program, options, std::move(recorder));
  AnyRun run(state);
  state->start(std::move(values), caller_works && executor.virtual_time() == nullptr);
  return run;
}

Result<AnyRun> begin(Executor& executor, const AnyProgram& program, const Inputs& inputs,
                     const RunOptions& options, bool caller_works) {
  WEFT_TRY(values, in_order(program.body(), inputs));
  std::unique_ptr<Recorder> recorder;
  if (options.trace != nullptr) {
    WEFT_TRY_VOID(check_budget(program.body(), options.limit));  // before it is in the trace
    for (Value& value : values) {
      value.set_digest(value_digest(*value.type(), encode(value)));
    }
    WEFT_TRY(begun, Recorder::begin(*options.trace, program, values, options, executor.clock()));
    recorder = std::move(begun);
  }
  return begin(executor, program, std::move(values), options, std::move(recorder), caller_works);
}

Result<AnyRun> go_on(Executor& executor, const AnyProgram& program, std::string_view id,
                     Recorder::Mode mode, const Resumption& resumption, RunOptions options) {
  if (options.trace == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "to go on with a run, set options.trace"};
  }
  WEFT_TRY_VOID(check_budget(program.body(), options.limit));  // before a fork is in the trace
  WEFT_TRY(recorder, Recorder::open(*options.trace, id, {mode, resumption, options.notes}, program,
                                    executor.clock()));
  WEFT_TRY(values, recorder->inputs(program));
  for (Value& value : values) value.set_digest(value_digest(*value.type(), encode(value)));
  options.seed = recorder->seed();
  return begin(executor, program, std::move(values), options, std::move(recorder), false);
}

}  // namespace

AnyRun::~AnyRun() {
  if (state_ == nullptr) return;
  state_->cancel();
  (void)state_->wait();
}

void AnyRun::cancel() { state_->cancel(); }
Result<Value> AnyRun::wait_value() { return state_->wait(); }
Report AnyRun::report() const { return state_->report(); }
std::vector<Question> AnyRun::questions() const { return state_->questions(); }
Result<void> AnyRun::answer(const std::string& path, Value value) {
  return state_->answer(path, std::move(value));
}
std::string AnyRun::id() const { return state_->id(); }

Result<AnyRun> Runtime::start_any(const AnyProgram& program, const Inputs& inputs,
                                  const RunOptions& options) {
  return begin(executor_, program, inputs, options, false);
}

Result<AnyRun> Runtime::run_any(const AnyProgram& program, const Inputs& inputs,
                                const RunOptions& options) {
  return begin(executor_, program, inputs, options, true);
}

Result<AnyRun> Runtime::resume_any(const AnyProgram& program, std::string_view id,
                                   const Resumption& resumption, const RunOptions& options) {
  return go_on(executor_, program, id, Recorder::Mode::kResume, resumption, options);
}

Result<AnyRun> Runtime::replay_any(const AnyProgram& program, std::string_view id,
                                   const RunOptions& options) {
  return go_on(executor_, program, id, Recorder::Mode::kReplay, {}, options);
}

Result<AnyRun> Runtime::fork_any(const AnyProgram& program, std::string_view id,
                                 const Resumption& changes, const RunOptions& options) {
  return go_on(executor_, program, id, Recorder::Mode::kFork, changes, options);
}

Result<std::map<std::string, const Type*>> Runtime::recorded_types(
    const AnyProgram& program, std::string_view id, const std::set<std::string>& paths,
    Trace& trace) {
  std::map<std::string, const Type*> types;
  const auto note = [&](const Event& event) {
    if (paths.contains(event.path)) types.insert_or_assign(event.path, event.type);
  };
  WEFT_TRY(run, replay_any(program, id, {.trace = &trace, .on_event = note}));
  (void)run.wait_value();  // one that failed has types up to there
  return types;
}

}  // namespace weft::planner
