#include "agents/remote_answer_model.h"

#include <algorithm>
#include <span>
#include <utility>

#include "agents/gate.h"

namespace weft::agents {
namespace {

using inference::RemoteAnswer;
using inference::RemoteFinish;

constexpr std::string_view kNoScores =
    "the server gives no log-probabilities of the answer's tokens";
constexpr std::string_view kNoText = "the server's answer is empty";

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

  /// Fills in what the answer says of itself.
  void finish(Answer& answer) {
    if (is_scored_) {
      const Verdict& verdict = gate_.finish();
      answer.confidence = verdict.confidence;
      answer.evidence = verdict.evidence;
      answer.abstained = verdict.abstains;
      answer.text = gate_.text();
    } else {
      answer.text = text_;
      answer.no_confidence = text_.empty() ? kNoText : kNoScores;
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

std::string RemoteAnswerModel::identity() const {
  return "remote " + model_.options().url + " " + model_.options().model;
}

Result<ComposedPrompt> RemoteAnswerModel::compose(const Asked& asked) {
  const std::size_t messages = asked.options.history.size();
  return ComposedPrompt{.passages = asked.passages.size(),
                        .turns = messages,
                        .spans = prompt_spans(asked.passages, messages, messages),
                        .encoded = {}};
}

Result<QuestionAlone> RemoteAnswerModel::question_alone(const Asked&, const ComposedPrompt&,
                                                        const Listener&) {
  return QuestionAlone{};
}

Result<Draft> RemoteAnswerModel::answer(const Asked& asked, const ComposedPrompt& prompt,
                                        const QuestionAlone&, const Listener& listener) {
  const std::vector<inference::ChatMessage>& history = asked.options.history;
  std::size_t turns = prompt.turns;
  std::vector<retrieval::PassageHit> passages(
      asked.passages.begin(),
      asked.passages.begin() + static_cast<std::ptrdiff_t>(prompt.passages));
  for (;;) {
    inference::ChatRequest request{.messages = {}, .settings = settings_of(asked.options)};
    for (const auto& turn : std::span(history).last(turns)) {
      request.messages.push_back({turn.role, turn.content});
    }
    request.messages.push_back({"user", answer_message(asked.question, passages)});
    Reader reader({.question = asked.question,
                   .passages = passages,
                   .question_alone = {},
                   .threshold = asked.options.threshold,
                   .clock = listener.clock,
                   .on_text = listener.on_text});
    auto made = model_.chat(request, reader.events(listener.on_think), listener.stop);
    if (made) {
      if (made->finish == RemoteFinish::kContentFilter) {
        return Error{ErrorCode::kPermissionDenied, "the server's content filter cut the answer"};
      }
      Draft draft{.answer = {}, .passages = passages.size()};
      reader.finish(draft.answer);
      draft.answer.finish_reason = reason_of(made->finish);
      draft.answer.usage = made->usage;
      draft.answer.thinking = std::move(made->thinking);
      draft.answer.timing = made->timing;
      draft.answer.first_token = listener.first_token(reader.first_shown());
      return draft;
    }
    // Only the server can count the prompt's tokens.
    if (made.error().code != ErrorCode::kResourceExhausted) return made.error();
    if (turns > 0) {
      turns -= std::min<std::size_t>(turns, 2);  // a question and its answer
    } else if (passages.size() > 1) {
      passages.pop_back();
    } else {
      return made.error();
    }
  }
}

}  // namespace weft::agents
