#include "cli/answer_output.h"

#include <nlohmann/json.hpp>

#include "cli/collections.h"
#include "cli/json_output.h"
#include "cli/text.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kQuoteBytesMax = 240;

}  // namespace

Result<agents::AnsweringAgent> open_agent(Context& context, retrieval::CollectionStore& store,
                                          const Engine& engine, const AdapterFlags& adapters) {
  WEFT_TRY(adapter, attach_adapters(adapters, engine.model));
  return agents::AnsweringAgent::open(store, engine.model,
                                      {.context_length_max = engine.context_length(context.config),
                                       .prefixes = engine.prefixes.get(),
                                       .adapter = std::move(adapter)});
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
  Json json = {{"answer", answer.text},
               {"abstained", answer.abstained},
               {"confidence", answer.confidence},
               {"citations", std::move(citations)},
               {"passages", std::move(passages)},
               {"finish_reason", inference::to_string(answer.finish_reason)},
               {"usage", usage_json(answer.usage)},
               {"timing", std::move(timing)},
               {"kv_bytes", answer.kv_bytes},
               {"model", engine.name}};
  Json evidence = Json::object();
  const auto names = agents::Evidence::names();
  const auto values = answer.evidence.values();
  for (std::size_t i = 0; i < names.size(); ++i) evidence[std::string(names[i])] = values[i];
  json["evidence"] = std::move(evidence);
  if (!answer.thinking.empty()) json["thinking"] = answer.thinking;
  if (answer.abstained) json["withheld"] = answer.withheld;
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
  std::string speed = "confidence " + fixed(answer.confidence, 2);
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

}  // namespace weft::cli
