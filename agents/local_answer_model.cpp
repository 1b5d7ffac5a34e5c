#include "agents/local_answer_model.h"

#include <algorithm>
#include <span>
#include <utility>

#include "agents/gate.h"
#include "agents/likelihood.h"

namespace weft::agents {

LocalAnswerModel::LocalAnswerModel(inference::Session session, std::string name)
    : session_(std::move(session)),
      alone_(session_.fork()),
      think_(inference::find_think_span(session_.model().tokenizer())),
      name_(std::move(name)) {}

Result<LocalAnswerModel> LocalAnswerModel::open(std::shared_ptr<const inference::Model> model,
                                                inference::SessionOptions options,
                                                std::string name) {
  options.context_length_max = std::min(options.context_length_max, model->config().context_length);
  WEFT_TRY(session, inference::Session::open(std::move(model), options));
  return LocalAnswerModel(std::move(session), std::move(name));
}

std::string LocalAnswerModel::identity() const {
  return to_string(session_.numerics()) + ", context " + std::to_string(session_.context_length());
}

inference::GenerateOptions LocalAnswerModel::generate_options(const AnswerOptions& options) const {
  inference::GenerateOptions generate;
  generate.sampling = options.sampling;
  generate.max_tokens = options.max_tokens;
  generate.draft_tokens_max = options.draft_tokens_max;
  generate.think = think_;
  // Thinking leaves most of a small context to the passages.
  if (generate.think) {
    generate.think->tokens_max = std::min(options.think_tokens_max, session_.context_length() / 4);
  }
  return generate;
}

Result<ComposedPrompt> LocalAnswerModel::compose(const Asked& asked) {
  const std::size_t context = session_.context_length();
  const std::size_t reserved =
      std::min(context, inference::generated_tokens_max(generate_options(asked.options)));
  WEFT_TRY(prompt,
           answer_prompt(session_.model(), asked.question, asked.passages, asked.options.history,
                         {.tokens_max = context - reserved,
                          .unix_time_s = asked.unix_time_s,
                          .prefill = asked.options.prefill}));
  return ComposedPrompt{.passages = prompt.passages,
                        .turns = prompt.turns,
                        .spans = prompt_spans(std::span(asked.passages).first(prompt.passages),
                                              asked.options.history.size(), prompt.turns),
                        .encoded = std::make_shared<const AnswerPrompt>(std::move(prompt))};
}

Result<QuestionAlone> LocalAnswerModel::question_alone(const Asked& asked,
                                                       const ComposedPrompt& prompt,
                                                       const Listener& listener) {
  WEFT_TRY(bare,
           bare_prompt(session_.model(), asked.question,
                       std::span(asked.options.history).last(prompt.turns), asked.unix_time_s));
  QuestionAlone alone{.tokens = bare.question_end};
  const SteadyTime start = listener.clock.steady_now();
  WEFT_TRY(found, question_likelihood(alone_, bare, listener.stop));
  alone.log_probabilities = std::move(found);
  alone.time = listener.clock.steady_now() - start;
  return alone;
}

Result<Draft> LocalAnswerModel::answer(const Asked& asked, const ComposedPrompt& prompt,
                                       const QuestionAlone& alone, const Listener& listener) {
  auto encoded = prompt.encoded;
  if (encoded == nullptr) {
    WEFT_TRY(made,
             encode_prompt(session_.model(), asked.question,
                           std::span(asked.passages).first(prompt.passages),
                           std::span(asked.options.history).last(prompt.turns),
                           {.unix_time_s = asked.unix_time_s, .prefill = asked.options.prefill}));
    encoded = std::make_shared<const AnswerPrompt>(std::move(made));
  }
  const std::vector<retrieval::PassageHit> read(
      asked.passages.begin(),
      asked.passages.begin() + static_cast<std::ptrdiff_t>(prompt.passages));
  Gate gate({.question = asked.question,
             .passages = read,
             .question_alone = alone.log_probabilities,
             .threshold = asked.options.threshold,
             .clock = listener.clock,
             .on_text = listener.on_text});
  gate.add_text(asked.options.prefill);
  inference::GenerateOptions generate = generate_options(asked.options);
  generate.stop_token = listener.stop;
  generate.on_think = listener.on_think;
  generate.on_token = [&](inference::TokenId, float value) { gate.add_token(value); };
  generate.scored_begin = encoded->question_begin;
  generate.scored_end = encoded->question_end;
  generate.on_scored = [&](std::size_t, float value) { gate.add_question_token(value); };
  WEFT_TRY(made, inference::generate(session_, encoded->ids, generate,
                                     [&](std::string_view text) { return gate.add_text(text); }));
  const Verdict& verdict = gate.finish();
  Draft draft{.passages = prompt.passages};
  Answer& answer = draft.answer;
  answer.text = gate.text();
  answer.confidence = verdict.confidence;
  answer.evidence = verdict.evidence;
  answer.abstained = verdict.abstains;
  answer.finish_reason = made.finish_reason;
  answer.usage = made.usage;
  answer.thinking = std::move(made.thinking);
  answer.timing = made.timing;
  answer.kv_bytes = session_.kv_bytes();
  answer.first_token = listener.first_token(gate.first_shown());
  return draft;
}

}  // namespace weft::agents
