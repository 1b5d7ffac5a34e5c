#include "agents/answering_agent.h"

#include <utility>

#include "agents/answer_run.h"

namespace weft::agents {

Result<AnsweringAgent> AnsweringAgent::open(retrieval::CollectionStore& store,
                                            std::shared_ptr<const inference::Model> model,
                                            const AgentOptions& options) {
  WEFT_TRY(answers, LocalAnswerModel::open(std::move(model),
                                           {.context_length_max = options.context_length_max,
                                            .prefixes = options.prefixes,
                                            .adapter = options.adapter},
                                           options.model_name));
  return AnsweringAgent(store, std::move(answers), options);
}

Result<Answer> AnsweringAgent::ask(std::string_view question, const AnswerOptions& options,
                                   const inference::OnText& on_text) {
  return run_answer({.store = *store_, .model = model_, .log = log_, .clock = clock_}, question,
                    options, on_text);
}

}  // namespace weft::agents
