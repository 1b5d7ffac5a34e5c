#include "agents/answering_agent.h"

#include <algorithm>
#include <utility>

#include "agents/gate.h"
#include "agents/likelihood.h"
#include "agents/prompt.h"

namespace weft::agents {
namespace {

using Seconds = std::chrono::duration<double>;

}  // namespace

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

AnsweringAgent::AnsweringAgent(retrieval::CollectionStore& store, inference::Session session,
                               const AgentOptions& options)
    : store_(&store), session_(std::move(session)), alone_(session_.fork()), options_(options) {}

Result<AnsweringAgent> AnsweringAgent::open(retrieval::CollectionStore& store,
                                            std::shared_ptr<const inference::Model> model,
                                            const AgentOptions& options) {
  const std::size_t trained = model->config().context_length;
  WEFT_TRY(session, inference::Session::open(
                        std::move(model),
                        {.context_length_max = std::min(options.context_length_max, trained),
                         .prefixes = options.prefixes,
                         .adapter = options.adapter}));
  return AnsweringAgent(store, std::move(session), options);
}

Result<Answer> AnsweringAgent::ask(std::string_view question, const AnswerOptions& options,
                                   const inference::OnText& on_text) {
  WEFT_TRY_VOID(validate(question, options));
  const SystemClock system_clock;
  const Clock& clock = options_.clock != nullptr ? *options_.clock : system_clock;
  NullLogger silent;
  Logger& log = options_.log != nullptr ? *options_.log : silent;
  const SteadyTime start = clock.steady_now();

  Answer answer;
  WEFT_TRY(hits, store_->search(options.collection, question, options.passages,
                                {.stop_words = options.stop_words, .stop = options.stop}));
  answer.passages = std::move(hits);
  answer.retrieval = Seconds(clock.steady_now() - start);
  log.log(LogLevel::kInfo, "retrieved",
          {{"passages", answer.passages.size()}, {"seconds", answer.retrieval.count()}});
  if (answer.passages.empty()) {
    answer.abstained = true;
    answer.text = kAbstention;
    answer.first_token = answer.retrieval;
    if (on_text) on_text(answer.text);
    return answer;
  }

  inference::GenerateOptions generate;
  generate.sampling = options.sampling;
  generate.max_tokens = options.max_tokens;
  generate.draft_tokens_max = options.draft_tokens_max;
  generate.stop_token = options.stop;
  generate.think = inference::find_think_span(session_.model().tokenizer());
  const std::size_t context = session_.context_length();
  // Thinking leaves most of a small context to the passages.
  if (generate.think) generate.think->tokens_max = std::min(options.think_tokens_max, context / 4);
  generate.on_think = options.on_think;
  const std::size_t reserved = std::min(context, inference::generated_tokens_max(generate));
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(clock.unix_now().time_since_epoch()).count();
  WEFT_TRY(prompt,
           answer_prompt(
               session_.model(), question, answer.passages, options.history,
               {.tokens_max = context - reserved, .unix_time_s = now, .prefill = options.prefill}));
  answer.passages.resize(prompt.passages);

  WEFT_TRY(bare, bare_prompt(session_.model(), question,
                             std::span(options.history).last(prompt.turns), now));
  const SteadyTime probe_start = clock.steady_now();
  WEFT_TRY(question_alone, question_likelihood(alone_, bare, options.stop));
  answer.probe = Seconds(clock.steady_now() - probe_start);
  Gate gate({.question = question,
             .passages = answer.passages,
             .question_alone = std::move(question_alone),
             .threshold = options.threshold,
             .clock = clock,
             .on_text = on_text});
  gate.add_text(options.prefill);
  generate.on_token = [&](inference::TokenId, float value) { gate.add_token(value); };
  generate.scored_begin = prompt.question_begin;
  generate.scored_end = prompt.question_end;
  generate.on_scored = [&](std::size_t, float value) { gate.add_question_token(value); };
  WEFT_TRY(made, inference::generate(session_, prompt.ids, generate,
                                     [&](std::string_view text) { return gate.add_text(text); }));
  const Verdict& verdict = gate.finish();
  answer.confidence = verdict.confidence;
  answer.evidence = verdict.evidence;
  answer.abstained = verdict.abstains;
  answer.finish_reason = made.finish_reason;
  answer.usage = made.usage;
  answer.usage.probe_tokens = bare.question_end;
  answer.thinking = std::move(made.thinking);
  answer.timing = made.timing;
  answer.kv_bytes = session_.kv_bytes();
  answer.first_token = Seconds(gate.first_shown() == SteadyTime{} ? clock.steady_now() - start
                                                                  : gate.first_shown() - start);
  log.log(LogLevel::kInfo, "generated",
          {{"tokens", made.usage.answer_tokens}, {"confidence", answer.confidence}});
  if (answer.abstained) {
    answer.withheld = gate.text();
    answer.text = kAbstention;
    if (!options.stop.stop_requested()) answer.finish_reason = inference::FinishReason::kStop;
    if (on_text) on_text(answer.text);
    return answer;
  }
  answer.text = gate.text();
  answer.citations = bind_citations(answer.text, question, answer.passages).citations;
  return answer;
}

}  // namespace weft::agents
