#include "planner/runtime.h"

#include "planner/run_state.h"

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

Result<AnyRun> begin(Executor& executor, const AnyProgram& program, const Inputs& inputs,
                     const RunOptions& options, bool caller_works) {
  WEFT_TRY(values, in_order(program.body(), inputs));
  WEFT_TRY_VOID(check_budget(program.body(), options.limit));
  auto state = std::make_shared<RunState>(executor, program, options);
  AnyRun run(state);
  state->start(std::move(values), caller_works && executor.virtual_time() == nullptr);
  return run;
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

Result<AnyRun> Runtime::start_any(const AnyProgram& program, const Inputs& inputs,
                                  const RunOptions& options) {
  return begin(executor_, program, inputs, options, false);
}

Result<AnyRun> Runtime::run_any(const AnyProgram& program, const Inputs& inputs,
                                const RunOptions& options) {
  return begin(executor_, program, inputs, options, true);
}

}  // namespace weft::planner
