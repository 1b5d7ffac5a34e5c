#include "agents/prompt.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "inference/chat_prompt.h"

namespace weft::agents {

namespace {

using inference::ChatMessage;
using Source = PromptSpan::Source;

const std::string& heading_of(const retrieval::PassageHit& passage) {
  return passage.heading_path.empty() ? passage.title : passage.heading_path;
}

}  // namespace

std::vector<PromptSpan> message_spans(std::span<const retrieval::PassageHit> passages) {
  std::vector<PromptSpan> spans;
  std::string text =
      "Answer the question with a short phrase copied from the passages. Give only the answer, no "
      "sentence.\n";
  const auto point_at = [&](Source source, std::size_t index) {
    spans.push_back({Source::kText, std::exchange(text, {}), 0});
    spans.push_back({source, {}, index});
  };
  for (std::size_t i = 0; i < passages.size(); ++i) {
    text += "\nPassage " + std::to_string(i + 1);
    if (!heading_of(passages[i]).empty()) {
      text += " (";
      point_at(Source::kHeading, i);
      text += ")";
    }
    text += ": ";
    point_at(Source::kPassage, i);
    text += "\n";
  }
  text += "\nQuestion: ";
  point_at(Source::kQuestion, 0);
  spans.push_back({Source::kText, "\nAnswer:", 0});
  return spans;
}

std::string answer_message(std::string_view question,
                           std::span<const retrieval::PassageHit> passages) {
  std::string text;
  for (const PromptSpan& span : message_spans(passages)) {
    switch (span.source) {
      case Source::kText:
        text += span.text;
        break;
      case Source::kQuestion:
        text += question;
        break;
      case Source::kHeading:
        text += heading_of(passages[span.index]);
        break;
      case Source::kPassage:
        text += passages[span.index].text;
        break;
      case Source::kTurn:
        break;  // a message of its own
    }
  }
  return text;
}

std::vector<PromptSpan> prompt_spans(std::span<const retrieval::PassageHit> passages,
                                     std::size_t messages, std::size_t turns) {
  std::vector<PromptSpan> spans;
  for (std::size_t i = messages - turns; i < messages; ++i) spans.push_back({Source::kTurn, {}, i});
  std::ranges::move(message_spans(passages), std::back_inserter(spans));
  return spans;
}

// The question's tokens are those that differ from the same prompt without a question: a tokenizer
// may join its first or last letters to what stands beside it.
Result<AnswerPrompt> encode_prompt(const inference::Model& model, std::string_view question,
                                   std::span<const retrieval::PassageHit> passages,
                                   std::span<const ChatMessage> history,
                                   const PromptOptions& options) {
  std::vector<ChatMessage> messages(history.begin(), history.end());
  messages.push_back({"user", answer_message(question, passages)});
  AnswerPrompt prompt{.passages = passages.size(), .turns = history.size()};
  WEFT_TRY(ids, inference::chat_prompt(model, messages, options.unix_time_s, options.prefill));
  prompt.ids = std::move(ids);
  messages.back().content = answer_message("", passages);
  WEFT_TRY(other, inference::chat_prompt(model, messages, options.unix_time_s, options.prefill));
  const auto begin = std::ranges::mismatch(prompt.ids, other).in1 - prompt.ids.begin();
  const auto tail =
      std::mismatch(prompt.ids.rbegin(), prompt.ids.rend() - begin, other.rbegin(), other.rend())
          .first -
      prompt.ids.rbegin();
  prompt.question_begin = static_cast<std::size_t>(begin);
  prompt.question_end = prompt.ids.size() - static_cast<std::size_t>(tail);
  return prompt;
}

Result<AnswerPrompt> bare_prompt(const inference::Model& model, std::string_view question,
                                 std::span<const ChatMessage> history, std::int64_t unix_time_s) {
  return encode_prompt(model, question, {}, history, {.unix_time_s = unix_time_s});
}

Result<AnswerPrompt> answer_prompt(const inference::Model& model, std::string_view question,
                                   const std::vector<retrieval::PassageHit>& passages,
                                   const std::vector<ChatMessage>& history,
                                   const PromptOptions& options) {
  std::size_t turns = history.size();
  std::size_t count = passages.size();
  for (;;) {
    WEFT_TRY(prompt, encode_prompt(model, question, std::span(passages).first(count),
                                   std::span(history).last(turns), options));
    if (prompt.ids.size() <= options.tokens_max) return prompt;
    if (turns >= 2) {
      turns -= 2;  // a question and its answer
    } else if (turns > 0) {
      turns = 0;
    } else if (count > 1) {
      --count;
    } else {
      return Error{ErrorCode::kResourceExhausted,
                   "the question and one passage take " + std::to_string(prompt.ids.size()) +
                       " tokens, but the context leaves " + std::to_string(options.tokens_max) +
                       "; raise --context or lower --max-tokens"};
    }
  }
}

}  // namespace weft::agents
