#include "agents/answering_agent.h"

#include <algorithm>
#include <utility>

#include "agents/prompt.h"

namespace weft::agents {
namespace {

using Seconds = std::chrono::duration<double>;

// The gate sees at most this many tokens: short answers whole, the first sentence of long ones.
constexpr std::size_t kHeldTokensMax = 24;

Result<void> check(std::string_view question, const AnswerOptions& options) {
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

// Holds text back until there is enough of it to decide whether to answer at all.
class Gate {
 public:
  Gate(std::string_view question, double threshold, const inference::OnText& on_text,
       Answer& answer)
      : question_(question), threshold_(threshold), on_text_(on_text), answer_(answer) {}

  void add_token(float log_probability) { log_probabilities_.push_back(log_probability); }

  /// False once the answer is withheld or the reader has gone.
  bool add_text(std::string_view text) {
    text_ += text;
    if (decided_) return show(text);
    return log_probabilities_.size() < kHeldTokensMax || decide();
  }

  /// The end of the generation: decides if there was too little to decide before.
  void finish() {
    if (!decided_) decide();
  }

  const std::string& text() const { return text_; }
  SteadyTime first_shown() const { return first_shown_; }
  void set_clock(const Clock& clock) { clock_ = &clock; }

 private:
  bool decide() {
    decided_ = true;
    const Binding binding = bind_citations(text_, question_, answer_.passages);
    answer_.evidence =
        evidence_of(question_, text_, log_probabilities_, binding, answer_.passages);
    answer_.confidence = says_unknown(text_) || text_.empty() ? 0 : confidence(answer_.evidence);
    answer_.abstained = answer_.confidence < threshold_;
    return !answer_.abstained && show(text_);
  }

  bool show(std::string_view text) {
    if (first_shown_ == SteadyTime{}) first_shown_ = clock_->steady_now();
    return !on_text_ || text.empty() || on_text_(text);
  }

  std::string_view question_;
  double threshold_;
  const inference::OnText& on_text_;
  Answer& answer_;
  const Clock* clock_ = nullptr;
  std::vector<float> log_probabilities_;
  std::string text_;
  bool decided_ = false;
  SteadyTime first_shown_{};
};

}  // namespace

AnsweringAgent::AnsweringAgent(retrieval::CollectionStore& store, inference::Session session,
                               const AgentOptions& options)
    : store_(&store), session_(std::move(session)), options_(options) {}

Result<AnsweringAgent> AnsweringAgent::open(retrieval::CollectionStore& store,
                                            std::shared_ptr<const inference::Model> model,
                                            inference::cpu::ThreadPool& pool,
                                            const AgentOptions& options) {
  const std::size_t trained = model->config().context_length;
  WEFT_TRY(session, inference::Session::open(
                        std::move(model), pool,
                        {.context_length_max = std::min(options.context_length_max, trained)}));
  return AnsweringAgent(store, std::move(session), options);
}

Result<Answer> AnsweringAgent::ask(std::string_view question, const AnswerOptions& options,
                                   const inference::OnText& on_text) {
  WEFT_TRY_VOID(check(question, options));
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

  const std::size_t context = session_.context_length();
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                               clock.unix_now().time_since_epoch()).count();
  WEFT_TRY(prompt, answer_prompt(session_.model(), question, answer.passages, options.history,
                                 {.tokens_max = context - std::min(context, options.max_tokens),
                                  .unix_time_s = now}));
  answer.passages.resize(prompt.passages);

  Gate gate(question, options.threshold, on_text, answer);
  gate.set_clock(clock);
  inference::GenerateOptions generate;
  generate.sampling = options.sampling;
  generate.max_tokens = options.max_tokens;
  generate.stop_token = options.stop;
  generate.on_token = [&](inference::TokenId, float value) { gate.add_token(value); };
  WEFT_TRY(made, inference::generate(session_, prompt.ids, generate,
                                     [&](std::string_view text) { return gate.add_text(text); }));
  gate.finish();
  answer.finish_reason = made.finish_reason;
  answer.usage = made.usage;
  answer.timing = made.timing;
  answer.first_token = Seconds(gate.first_shown() == SteadyTime{} ? clock.steady_now() - start
                                                                  : gate.first_shown() - start);
  log.log(LogLevel::kInfo, "generated",
          {{"tokens", made.usage.answer_tokens}, {"confidence", answer.confidence}});
  if (answer.abstained) {
    answer.withheld = made.text;
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
