#pragma once
// Messages as the tokens that a model was trained to answer: its chat template, then its tokenizer.

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/model.h"
#include "inference/text_span.h"
#include "inference/token.h"

namespace weft::inference {

/// The prompt up to where the assistant's turn begins. Text of the messages never becomes control
/// tokens. `unix_time_s` is what the template sees as now. Errors: those of ChatTemplate::render.
Result<std::vector<TextSpan>> chat_spans(const Model& model,
                                         const std::vector<ChatMessage>& messages,
                                         std::int64_t unix_time_s);
Result<std::vector<TokenId>> chat_prompt(const Model& model,
                                         const std::vector<ChatMessage>& messages,
                                         std::int64_t unix_time_s);

}  // namespace weft::inference
