#pragma once
// What `ask` and `chat` share: the agent they run and how its answers are printed.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agents/answering_agent.h"
#include "cli/adapter_flags.h"
#include "cli/context.h"
#include "cli/verbs.h"

namespace weft::cli {

void add_answer_settings(CLI::App& verb, Parsed& parsed);

Result<agents::AnsweringAgent> open_agent(Context& context, retrieval::CollectionStore& store,
                                          const Engine& engine, const AdapterFlags& adapters);
agents::AnswerOptions answer_options(const Context& context);

/// {answer, abstained, confidence, citations, passages, usage, timing, kv_bytes, model}
nlohmann::ordered_json answer_json(const agents::Answer& answer, const Engine& engine);
/// What follows the streamed answer: citations, passages, speed.
std::string answer_text(const agents::Answer& answer, const Console& console);

}  // namespace weft::cli
