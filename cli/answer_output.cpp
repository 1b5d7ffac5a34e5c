#include "cli/answer_output.h"

#include <nlohmann/json.hpp>

#include "agents/answer_run.h"
#include "agents/remote_answering_agent.h"
#include "cli/collections.h"
#include "cli/json_output.h"
#include "cli/span_printer.h"
#include "cli/text.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kQuoteBytesMax = 240;

Json evidence_json(const agents::Evidence& evidence) {
  Json json = Json::object();
  const auto names = agents::Evidence::names();
  const auto values = evidence.values();
  for (std::size_t i = 0; i < names.size(); ++i) json[std::string(names[i])] = values[i];
  if (!evidence.is_question_scored) json["question_explained"] = nullptr;
  return json;
}

}  // namespace

Result<Answering> open_answering(Context& context, retrieval::CollectionStore& store,
                                 bool shows_thinking, const AdapterFlags& adapters) {
  Answering made;
  if (!adapters.adapters.empty() && remote_name(context.config)) {
    return Error{ErrorCode::kUnsupported,
                 "--lora changes a model that runs here; a remote one can't be changed"};
  }
  if (remote_name(context.config)) {
    WEFT_TRY(remote, open_remote(context));
    made.engine.name = remote.name;
    made.agent = std::make_unique<agents::RemoteAnsweringAgent>(
        store, *remote.model,
        agents::RemoteAgentOptions{.model_name = remote.name, .price = remote.price});
    made.remote = std::move(remote);
    return made;
  }
  WEFT_TRY(engine, load_engine(context));
  note_unused_think_flags(context, engine, shows_thinking);
  WEFT_TRY(adapter, attach_adapters(adapters, engine.model));
  WEFT_TRY(agent, agents::AnsweringAgent::open(
                      store, engine.model,
                      {.context_length_max = engine.context_length(context.config),
                       .prefixes = engine.prefixes.get(),
                       .adapter = std::move(adapter),
                       .model_name = engine.name}));
  made.agent = std::make_unique<agents::AnsweringAgent>(std::move(agent));
  made.engine = std::move(engine);
  return made;
}

agents::AnswerOptions answer_options(const Context& context) {
  const Config& config = context.config;
  agents::AnswerOptions options;
  options.collection = config.string("retrieval.collection");
  options.passages = static_cast<std::size_t>(config.integer("retrieval.passages"));
  options.max_tokens = static_cast<std::size_t>(config.integer("answer.max_tokens"));
  options.think_tokens_max = static_cast<std::size_t>(config.integer("answer.think_tokens"));
  options.threshold = config.number("answer.threshold");
  options.draft_tokens_max = static_cast<std::size_t>(config.integer("engine.draft"));
  options.stop_words = stop_words(config);
  options.stop = context.stop;
  return options;
}

Json answer_json(const agents::Answer& answer, const Engine& engine) {
  Json citations = Json::array();
  for (const auto& citation : answer.citations) {
    citations.push_back({{"n", citation.n},
                         {"source", citation.source},
                         {"start", citation.start},
                         {"end", citation.end},
                         {"answer_start", citation.answer_start},
                         {"answer_end", citation.answer_end},
                         {"support", citation.support}});
  }
  Json passages = Json::array();
  for (const auto& passage : answer.passages) passages.push_back(passage_json(passage));
  Json timing = timing_json(answer.timing, answer.usage);
  timing["load_s"] = engine.load_seconds;
  timing["retrieval_s"] = answer.retrieval.count();
  timing["probe_s"] = answer.probe.count();
  timing["first_token_s"] = answer.first_token.count();
  const bool is_estimated = answer.no_confidence.empty();
  const Json confidence = is_estimated ? Json(answer.confidence) : Json();
  Json json = {{"answer", answer.text},
               {"abstained", answer.abstained},
               {"confidence", confidence},
               {"citations", std::move(citations)},
               {"passages", std::move(passages)},
               {"finish_reason", inference::to_string(answer.finish_reason)},
               {"usage", usage_json(answer.usage)},
               {"timing", std::move(timing)},
               {"kv_bytes", answer.kv_bytes},
               {"model", engine.name}};
  if (is_estimated) {
    json["evidence"] = evidence_json(answer.evidence);
  } else {
    json["confidence_reason"] = answer.no_confidence;
  }
  if (!answer.thinking.empty()) json["thinking"] = answer.thinking;
  if (answer.abstained) json["withheld"] = answer.withheld;
  if (!answer.run.empty()) json["run"] = answer.run;
  return json;
}

std::string answer_text(const agents::Answer& answer, const Console& console) {
  std::string text;
  for (const auto& citation : answer.citations) text += " [" + std::to_string(citation.n) + "]";
  text += "\n";
  if (!answer.citations.empty()) text += "\nSources\n";
  for (const auto& citation : answer.citations) {
    const auto& passage = answer.passages[citation.passage];
    const std::string quote =
        passage.text.substr(citation.start - passage.start, citation.end - citation.start);
    text += "  [" + std::to_string(citation.n) + "] " +
            console.bold(byte_span(citation.source, citation.start, citation.end)) + "\n      \"" +
            one_line(quote, kQuoteBytesMax) + "\"\n";
  }
  if (!answer.passages.empty()) text += "\nPassages read\n";
  for (const auto& passage : answer.passages) {
    const std::string& heading =
        passage.heading_path.empty() ? passage.title : passage.heading_path;
    text += "  " + byte_span(passage.source, passage.start, passage.end) + "  " +
            console.dim("score " + fixed(passage.score, 2) +
                        (heading.empty() ? "" : "  " + one_line(heading, 60))) +
            "\n";
  }
  std::string speed = answer.no_confidence.empty() ? "confidence " + fixed(answer.confidence, 2)
                                                   : "no confidence: " + answer.no_confidence;
  const std::size_t cached = answer.usage.cached_tokens;
  if (answer.usage.answer_tokens > 0) {
    speed += ", first token after " + human_duration(answer.first_token.count()) + ", " +
             std::to_string(answer.usage.prompt_tokens) + " prompt tokens" +
             (cached == 0 ? "" : " (" + std::to_string(cached) + " of them cached)") + " at " +
             fixed(answer.timing.prefill_tokens_per_s(answer.usage), 0) + " tokens/s, " +
             std::to_string(answer.usage.answer_tokens) + " answer tokens at " +
             fixed(answer.timing.decode_tokens_per_s(answer.usage), 1) + " tokens/s";
  }
  return text + "\n" + console.dim(speed) + "\n";
}

void note_recorded(const agents::Answer& answer, Console& console) {
  if (!answer.run.empty() && console.err_is_terminal()) {
    console.note("recorded as run " + answer.run);
  }
}

Result<ExitCode> print_recorded_answer(Context& context, planner::Trace& trace,
                                       const std::string& run) {
  WEFT_TRY(answer, agents::replay_answer(trace, run));
  WEFT_TRY(model, trace.note(run, agents::kModelNote));
  Engine engine;
  engine.name = model.value_or("");
  Console& console = context.console;
  if (console.json_result()) {
    console.print_json(answer_json(answer, engine));
  } else {
    console.print(answer.text + answer_text(answer, console));
  }
  return ExitCode::kDone;
}

}  // namespace weft::cli
