#include "agents/answer_run.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "agents/answer_codec.h"
#include "agents/answer_graph.h"
#include "planner/runtime.h"

namespace weft::agents {

Result<void> validate(std::string_view question, const AnswerOptions& options) {
  if (question.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Error{ErrorCode::kInvalidArgument, "the question is empty"};
  }
  if (options.passages == 0 || options.max_tokens == 0) {
    return Error{ErrorCode::kInvalidArgument, "passages and max_tokens must be at least 1"};
  }
  if (!(options.threshold >= 0 && options.threshold <= 1)) {
    return Error{ErrorCode::kInvalidArgument, "the threshold must be within 0..1"};
  }
  return inference::validate(options.sampling);
}

Result<Answer> run_answer(const AnswerTools& tools, std::string_view question,
                          const AnswerOptions& options, const inference::OnText& on_text) {
  WEFT_TRY_VOID(validate(question, options));
  const SystemClock system_clock;
  const Clock& clock = tools.clock != nullptr ? *tools.clock : system_clock;
  const Listener listener{on_text, options.on_think, clock, clock.steady_now(), options.stop};
  WEFT_TRY(
      program,
      answer_program(
          {.store = &tools.store, .model = &tools.model, .listener = &listener, .log = tools.log}));
  planner::Inputs inputs;
  inputs.set("question", std::string(question));
  inputs.set("options", options);
  inputs.set<std::int64_t>(
      "time", std::chrono::duration_cast<std::chrono::seconds>(clock.unix_now().time_since_epoch())
                  .count());
  inputs.set("model", tools.model.identity());

  // A stop isn't the run's, which would then have no value: the nodes heed it.
  planner::RunOptions run_options;
  std::optional<Error> failure;  // without the path of its node
  run_options.on_event = [&](const planner::Event& event) {
    if (event.kind == planner::Event::Kind::kFailed && !failure) failure = *event.error;
  };
  planner::CallerExecutor executor;
  planner::Runtime runtime(executor);
  WEFT_TRY(run, runtime.start(program, inputs, run_options));
  auto answer = run.wait();
  if (!answer && failure && failure->code == answer.error().code) return *std::move(failure);
  return answer;
}

}  // namespace weft::agents
