#pragma once
// The messages that ask a model to answer from passages, cut to what its context holds. The
// passages come first and the question last, so that a prompt over the same passages shares its
// prefix with the one before.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/model.h"
#include "inference/token.h"
#include "retrieval/document.h"

namespace weft::agents {

struct AnswerPrompt {
  std::vector<inference::TokenId> ids;
  std::size_t passages = 0;  // how many of them fitted, from the first on
};

struct PromptOptions {
  std::size_t tokens_max = 0;      // of the whole prompt
  std::int64_t unix_time_s = 0;    // for templates that print the date
};

/// `history` holds earlier turns, oldest first; those that don't fit are dropped before passages
/// are. Errors: kResourceExhausted if not even the question with one passage fits.
Result<AnswerPrompt> answer_prompt(const inference::Model& model, std::string_view question,
                                   const std::vector<retrieval::PassageHit>& passages,
                                   const std::vector<inference::ChatMessage>& history,
                                   const PromptOptions& options);

}  // namespace weft::agents
