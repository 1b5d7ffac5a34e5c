#pragma once
// The messages that ask a model to answer from passages, cut to what its context holds. The
// passages come first and the question last, so that a prompt over the same passages shares its
// prefix with the one before.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/model.h"
#include "inference/token.h"
#include "retrieval/document.h"

namespace weft::agents {

/// A piece of a prompt: text of its own, or where else its text stands.
struct PromptSpan {
  enum class Source { kText, kQuestion, kTurn, kHeading, kPassage };
  Source source = Source::kText;
  std::string text;       // of kText
  std::size_t index = 0;  // of the history's message, or of the passage

  friend bool operator==(const PromptSpan&, const PromptSpan&) = default;
};

/// The message that asks a question over some passages.
std::vector<PromptSpan> message_spans(std::span<const retrieval::PassageHit> passages);
std::string answer_message(std::string_view question,
                           std::span<const retrieval::PassageHit> passages);

/// What the model is given: the last `turns` of a history of `messages`, then that message.
std::vector<PromptSpan> prompt_spans(std::span<const retrieval::PassageHit> passages,
                                     std::size_t messages, std::size_t turns);

struct AnswerPrompt {
  std::vector<inference::TokenId> ids;
  std::size_t passages = 0;        // how many of them fitted, from the first on
  std::size_t turns = 0;           // how many messages of the history, from the last back
  std::size_t question_begin = 0;  // ids [question_begin, question_end) are the question's own
  std::size_t question_end = 0;
};

struct PromptOptions {
  std::size_t tokens_max = 0;    // of the whole prompt
  std::int64_t unix_time_s = 0;  // for templates that print the date
  std::string_view prefill;      // how the answer begins
};

/// `history` holds earlier turns, oldest first; those that don't fit are dropped before passages
/// are. Errors: kResourceExhausted if not even the question with one passage fits.
Result<AnswerPrompt> answer_prompt(const inference::Model& model, std::string_view question,
                                   const std::vector<retrieval::PassageHit>& passages,
                                   const std::vector<inference::ChatMessage>& history,
                                   const PromptOptions& options);

/// The prompt over all of these passages and turns, however long it is. `tokens_max` isn't used.
Result<AnswerPrompt> encode_prompt(const inference::Model& model, std::string_view question,
                                   std::span<const retrieval::PassageHit> passages,
                                   std::span<const inference::ChatMessage> history,
                                   const PromptOptions& options);

/// The same request without any passage: what the model makes of the question on its own. Pass the
/// turns of the history that the prompt has kept.
Result<AnswerPrompt> bare_prompt(const inference::Model& model, std::string_view question,
                                 std::span<const inference::ChatMessage> history,
                                 std::int64_t unix_time_s);

}  // namespace weft::agents
