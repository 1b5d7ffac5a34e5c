#include "agents/prompt.h"

#include <algorithm>

#include "inference/chat_prompt.h"

namespace weft::agents {

std::string answer_message(std::string_view question,
                           const std::vector<retrieval::PassageHit>& passages, std::size_t count) {
  std::string text =
      "Answer the question with a short phrase copied from the passages. Give only the answer, no "
      "sentence.\n";
  for (std::size_t i = 0; i < count; ++i) {
    const auto& passage = passages[i];
    const std::string& heading =
        passage.heading_path.empty() ? passage.title : passage.heading_path;
    text += "\nPassage " + std::to_string(i + 1) + (heading.empty() ? "" : " (" + heading + ")") +
            ": " + passage.text + "\n";
  }
  return text + "\nQuestion: " + std::string(question) + "\nAnswer:";
}

namespace {

using inference::ChatMessage;

// The question's tokens are those that differ from the same prompt without a question: a tokenizer
// may join its first or last letters to what stands beside it.
Result<AnswerPrompt> prompt_of(const inference::Model& model, std::string_view question,
                               const std::vector<retrieval::PassageHit>& passages,
                               std::size_t count, std::span<const ChatMessage> history,
                               std::int64_t unix_time_s, std::string_view prefill) {
  std::vector<ChatMessage> messages(history.begin(), history.end());
  messages.push_back({"user", answer_message(question, passages, count)});
  AnswerPrompt prompt{.passages = count, .turns = history.size()};
  WEFT_TRY(ids, inference::chat_prompt(model, messages, unix_time_s, prefill));
  prompt.ids = std::move(ids);
  messages.back().content = answer_message("", passages, count);
  WEFT_TRY(other, inference::chat_prompt(model, messages, unix_time_s, prefill));
  const auto begin = std::ranges::mismatch(prompt.ids, other).in1 - prompt.ids.begin();
  const auto tail =
      std::mismatch(prompt.ids.rbegin(), prompt.ids.rend() - begin, other.rbegin(), other.rend())
          .first -
      prompt.ids.rbegin();
  prompt.question_begin = static_cast<std::size_t>(begin);
  prompt.question_end = prompt.ids.size() - static_cast<std::size_t>(tail);
  return prompt;
}

}  // namespace

Result<AnswerPrompt> bare_prompt(const inference::Model& model, std::string_view question,
                                 std::span<const ChatMessage> history, std::int64_t unix_time_s) {
  return prompt_of(model, question, {}, 0, history, unix_time_s, {});
}

Result<AnswerPrompt> answer_prompt(const inference::Model& model, std::string_view question,
                                   const std::vector<retrieval::PassageHit>& passages,
                                   const std::vector<ChatMessage>& history,
                                   const PromptOptions& options) {
  std::size_t turns = history.size();
  std::size_t count = passages.size();
  for (;;) {
    WEFT_TRY(prompt, prompt_of(model, question, passages, count, std::span(history).last(turns),
                               options.unix_time_s, options.prefill));
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
