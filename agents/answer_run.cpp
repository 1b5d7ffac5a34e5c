#include "agents/answer_run.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "agents/answer_codec.h"
#include "agents/answer_graph.h"
#include "planner/runtime.h"

namespace weft::agents {

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
  run_options.trace = options.trace;
  run_options.documents = {options.history_sources.begin(), options.history_sources.end()};
  if (options.trace != nullptr) {
    run_options.notes = {{kProgramNote, std::string(kAnswerProgram)},
                         {kModelNote, tools.model.name()}};
  }
  std::optional<Error> failure;  // without the path of its node
  run_options.on_event = [&](const planner::Event& event) {
    if (event.kind == planner::Event::Kind::kFailed && !failure) failure = *event.error;
  };
  planner::CallerExecutor executor;
  planner::Runtime runtime(executor);
  WEFT_TRY(run, runtime.start(program, inputs, run_options));
  auto answer = run.wait();
  if (!answer && failure && failure->code == answer.error().code) return *std::move(failure);
  if (answer) answer->run = run.id();
  return answer;
}

Result<Answer> replay_answer(planner::Trace& trace, std::string_view run) {
  WEFT_TRY(program, answer_program());
  planner::CallerExecutor executor;
  planner::Runtime runtime(executor);
  WEFT_TRY(replayed, runtime.replay_any(program, run, {.trace = &trace}));
  WEFT_TRY(value, replayed.wait_value());
  Answer answer = value.as<Answer>();
  answer.run = replayed.id();
  return answer;
}

}  // namespace weft::agents
