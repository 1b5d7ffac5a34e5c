#pragma once
// The values that flow along the answering graph, as JSON: what a trace keeps of them. What
// belongs to a process alone, such as callbacks and stop tokens, is no part of them.

#include "agents/answer_model.h"
#include "planner/value.h"

namespace weft::planner {

// clang-format off
#define WEFT_AGENTS_CODEC(T, NAME)                               \
  template <>                                                    \
  struct Codec<agents::T> {                                      \
    static constexpr const char* kName = NAME;                   \
    static void to_json(nlohmann::json& json, const agents::T&); \
    static Result<agents::T> from_json(const nlohmann::json&);   \
  };
WEFT_AGENTS_CODEC(AnswerOptions, "answer options")
WEFT_AGENTS_CODEC(Retrieved, "retrieved passages")
WEFT_AGENTS_CODEC(ComposedPrompt, "composed prompt")
WEFT_AGENTS_CODEC(QuestionAlone, "question alone")
WEFT_AGENTS_CODEC(Draft, "draft")
WEFT_AGENTS_CODEC(Citation, "citation")
WEFT_AGENTS_CODEC(Answer, "answer")
#undef WEFT_AGENTS_CODEC
// clang-format on

}  // namespace weft::planner
