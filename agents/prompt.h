#pragma once
// The messages that ask a model to answer from passages, cut to what its context holds. The
// passages come first and the question last, so that a prompt over the same passages shares its
// prefix with the one before.

#include <cstddef>
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

/// The message that asks `question` over the first `count` passages.
std::string answer_message(std::string_view question,
                           const std::vector<retrieval::PassageHit>& passages, std::size_t count);

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

/// The same request without any passage: what the model makes of the question on its own. Pass the
/// turns of the history that the prompt has kept.
Result<AnswerPrompt> bare_prompt(const inference::Model& model, std::string_view question,
                                 std::span<const inference::ChatMessage> history,
                                 std::int64_t unix_time_s);

}  // namespace weft::agents
