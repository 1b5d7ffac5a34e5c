#pragma once
// What `ask`, `chat` and `replay` share: the agent that is run and how its answers are printed.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "agents/answering_agent.h"
#include "cli/adapter_flags.h"
#include "cli/context.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "planner/trace.h"

namespace weft::cli {

void add_answer_settings(CLI::App& verb, Parsed& parsed);

/// An agent with the model that it answers with.
struct Answering {
  Engine engine;                 // where the model is remote, its name alone
  std::optional<Remote> remote;  // else nothing
  std::unique_ptr<agents::Answerer> agent;
};

/// Loads the model that the configuration names, or gets ready to ask it. Errors: those of
/// load_engine(), open_remote() and AnsweringAgent::open().
Result<Answering> open_answering(Context& context, retrieval::CollectionStore& store,
                                 bool shows_thinking, const AdapterFlags& adapters);
agents::AnswerOptions answer_options(const Context& context);

/// {answer, abstained, confidence, citations, passages, usage, timing, kv_bytes, model}; with a
/// confidence of null a confidence_reason; of one that was recorded its run.
nlohmann::ordered_json answer_json(const agents::Answer& answer, const Engine& engine);
/// What follows the streamed answer: citations, passages, speed.
std::string answer_text(const agents::Answer& answer, const Console& console);
/// Tells people which run it was.
void note_recorded(const agents::Answer& answer, Console& console);

/// Prints what a recorded run answered. Errors: those of agents::replay_answer().
Result<ExitCode> print_recorded_answer(Context& context, planner::Trace& trace,
                                       const std::string& run);

}  // namespace weft::cli
