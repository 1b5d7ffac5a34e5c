#include "agents/remote_answering_agent.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agents/gate.h"
#include "agents/prompt.h"

namespace weft::agents {
namespace {

using inference::RemoteAnswer;
using inference::RemoteFinish;
using Seconds = std::chrono::duration<double>;

constexpr std::string_view kNoScores =
    "the server gives no log-probabilities of the answer's tokens";

/// What is shown of an answer while it is made. The gate decides where there are log-probabilities;
/// else there is nothing to decide by, and all is shown.
class Reader {
 public:
  explicit Reader(GateOptions options) : options_(options), gate_(std::move(options)) {}

  inference::RemoteEvents events(const inference::OnText& on_think) {
    return {.on_text = [this](std::string_view text) { return add_text(text); },
            .on_think = on_think,
            .on_token = [this](const inference::TokenScore& token) { add_token(token); }};
  }

  /// Fills what the answer says of itself.
  void finish(Answer& answer) {
    if (is_scored_) {
      const Verdict& verdict = gate_.finish();
      answer.confidence = verdict.confidence;
      answer.evidence = verdict.evidence;
      answer.abstained = verdict.abstains;
      answer.text = gate_.text();
    } else {
      answer.text = text_;
      answer.no_confidence = kNoScores;
    }
  }
  SteadyTime first_shown() const { return is_scored_ ? gate_.first_shown() : first_shown_; }

 private:
  void add_token(const inference::TokenScore& token) {
    // From the first token on, or never: half of an answer can't be judged.
    if (!text_.empty()) return;
    is_scored_ = true;
    gate_.add_token(token.log_probability);
  }
  bool add_text(std::string_view text) {
    if (is_scored_) return gate_.add_text(text);
    if (text_.empty()) first_shown_ = options_.clock.steady_now();
    text_ += text;
    return !options_.on_text || options_.on_text(text);
  }

  GateOptions options_;
  Gate gate_;
  bool is_scored_ = false;
  std::string text_;
  SteadyTime first_shown_{};
};

inference::FinishReason reason_of(RemoteFinish finish) {
  switch (finish) {
    case RemoteFinish::kLength:
      return inference::FinishReason::kLength;
    case RemoteFinish::kCancelled:
      return inference::FinishReason::kCancelled;
    default:
      return inference::FinishReason::kStop;
  }
}

inference::RemoteSettings settings_of(const AnswerOptions& options) {
  return {.sampling = options.sampling,
          .max_tokens = options.max_tokens,
          .stop = {},
          .json_schema = {},
          .log_probabilities = true};
}

}  // namespace

/// Asks with as many turns and passages as the server's context holds.
Result<void> RemoteAnsweringAgent::generate(std::string_view question, const AnswerOptions& options,
                                            const inference::OnText& on_text, const Clock& clock,
                                            SteadyTime start, Answer& answer) {
  std::size_t turns = options.history.size();
  for (;;) {
    inference::ChatRequest request{.messages = {}, .settings = settings_of(options)};
    for (const auto& turn : std::span(options.history).last(turns)) {
      request.messages.push_back({turn.role, turn.content});
    }
    request.messages.push_back(
        {"user", answer_message(question, answer.passages, answer.passages.size())});
    Reader reader({.question = question,
                   .passages = answer.passages,
                   .question_alone = {},
                   .threshold = options.threshold,
                   .clock = clock,
                   .on_text = on_text});
    auto made = model_.chat(request, reader.events(options.on_think), options.stop);
    if (made) {
      if (made->finish == RemoteFinish::kContentFilter) {
        return Error{ErrorCode::kPermissionDenied, "the server's content filter cut the answer"};
      }
      reader.finish(answer);
      answer.finish_reason = reason_of(made->finish);
      answer.usage = made->usage;
      answer.thinking = std::move(made->thinking);
      answer.timing = made->timing;
      answer.first_token =
          (reader.first_shown() == SteadyTime{} ? clock.steady_now() : reader.first_shown()) -
          start;
      return {};
    }
    // Only the server can count the prompt's tokens.
    if (made.error().code != ErrorCode::kResourceExhausted) return made.error();
    if (turns > 0) {
      turns -= std::min<std::size_t>(turns, 2);  // a question and its answer
    } else if (answer.passages.size() > 1) {
      answer.passages.pop_back();
    } else {
      return made.error();
    }
  }
}

Result<Answer> RemoteAnsweringAgent::ask(std::string_view question, const AnswerOptions& options,
                                         const inference::OnText& on_text) {
  WEFT_TRY_VOID(validate(question, options));
  if (!options.prefill.empty()) {
    return Error{ErrorCode::kUnsupported, "a remote model can't be given a prefill"};
  }
  const SystemClock system_clock;
  const Clock& clock = options_.clock != nullptr ? *options_.clock : system_clock;
  NullLogger silent;
  Logger& log = options_.log != nullptr ? *options_.log : silent;
  const SteadyTime start = clock.steady_now();

  Answer answer;
  WEFT_TRY(hits, store_.search(options.collection, question, options.passages,
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
  WEFT_TRY_VOID(generate(question, options, on_text, clock, start, answer));
  log.log(LogLevel::kInfo, "generated",
          {{"tokens", answer.usage.answer_tokens}, {"confidence", answer.confidence}});
  if (answer.abstained) {
    answer.withheld = std::exchange(answer.text, std::string(kAbstention));
    if (!options.stop.stop_requested()) answer.finish_reason = inference::FinishReason::kStop;
    if (on_text) on_text(answer.text);
    return answer;
  }
  answer.citations = bind_citations(answer.text, question, answer.passages).citations;
  return answer;
}

}  // namespace weft::agents
