#pragma once
// Messages as the tokens that a model was trained to answer: its chat template, then its tokenizer.

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/model.h"
#include "inference/text_span.h"
#include "inference/token.h"

namespace weft::inference {

/// The prompt up to where the assistant's turn begins, or, with a prefill, goes on: a beginning of
/// its turn, without an end. Text of the messages and of the prefill never becomes control tokens.
/// `unix_time_s` is what the template sees as now. Errors: those of ChatTemplate::render.
Result<std::vector<TextSpan>> chat_spans(const Model& model,
                                         const std::vector<ChatMessage>& messages,
                                         std::int64_t unix_time_s, std::string_view prefill = {});
Result<std::vector<TokenId>> chat_prompt(const Model& model,
                                         const std::vector<ChatMessage>& messages,
                                         std::int64_t unix_time_s, std::string_view prefill = {});

}  // namespace weft::inference
