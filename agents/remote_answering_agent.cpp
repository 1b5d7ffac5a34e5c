#include "agents/remote_answering_agent.h"

#include "agents/answer_run.h"

namespace weft::agents {

Result<Answer> RemoteAnsweringAgent::ask(std::string_view question, const AnswerOptions& options,
                                         const inference::OnText& on_text) {
  WEFT_TRY_VOID(validate(question, options));
  if (!options.prefill.empty()) {
    return Error{ErrorCode::kUnsupported, "a remote model can't be given a prefill"};
  }
  return run_answer(
      {.store = store_, .model = model_, .log = options_.log, .clock = options_.clock}, question,
      options, on_text);
}

}  // namespace weft::agents
