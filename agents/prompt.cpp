#include "agents/prompt.h"

#include "inference/chat_prompt.h"

namespace weft::agents {
namespace {

using inference::ChatMessage;

std::string user_message(std::string_view question,
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

}  // namespace

Result<AnswerPrompt> answer_prompt(const inference::Model& model, std::string_view question,
                                   const std::vector<retrieval::PassageHit>& passages,
                                   const std::vector<ChatMessage>& history,
                                   const PromptOptions& options) {
  std::size_t turns = history.size();
  std::size_t count = passages.size();
  for (;;) {
    std::vector<ChatMessage> messages(history.end() - static_cast<std::ptrdiff_t>(turns),
                                      history.end());
    messages.push_back({"user", user_message(question, passages, count)});
    WEFT_TRY(ids, inference::chat_prompt(model, messages, options.unix_time_s));
    if (ids.size() <= options.tokens_max) return AnswerPrompt{std::move(ids), count};
    if (turns >= 2) {
      turns -= 2;  // a question and its answer
    } else if (turns > 0) {
      turns = 0;
    } else if (count > 1) {
      --count;
    } else {
      return Error{ErrorCode::kResourceExhausted,
                   "the question and one passage take " + std::to_string(ids.size()) +
                       " tokens, but the context leaves " + std::to_string(options.tokens_max) +
                       "; raise --context or lower --max-tokens"};
    }
  }
}

}  // namespace weft::agents
