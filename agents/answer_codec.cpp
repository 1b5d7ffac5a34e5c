#include "agents/answer_codec.h"

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weft::agents {
namespace {

using Json = nlohmann::json;
using Seconds = std::chrono::duration<double>;

constexpr std::array<std::string_view, 5> kSources = {"text", "question", "turn", "heading",
                                                      "passage"};
constexpr std::array<std::string_view, 2> kStopWords = {"english", "none"};
constexpr std::array<std::string_view, 4> kReasons = {"stop", "length", "cancelled", "head_token"};

/// What `json` calls an enumerator, by its place among `names`.
template <typename Enum, std::size_t kCount>
Enum named(const Json& json, const std::array<std::string_view, kCount>& names) {
  const auto& name = json.get_ref<const std::string&>();
  for (std::size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  throw std::invalid_argument("there is no \"" + name + "\" here");
}

template <typename Enum, std::size_t kCount>
std::string_view name_of(Enum value, const std::array<std::string_view, kCount>& names) {
  return names[static_cast<std::size_t>(value)];
}

/// Reads a T's JSON field by field: what is thrown where one isn't as it should be ends here.
template <typename T, typename Read>
Result<T> reading(Read read) {
  try {
    return read();
  } catch (const std::exception& error) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("no ") + planner::Codec<T>::kName + ": " + error.what()};
  }
}

Json sampling_json(const inference::SamplingOptions& sampling) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"seed", sampling.seed}};
}

inference::SamplingOptions sampling_of(const Json& json) {
  return {.temperature = json.at("temperature"),
          .top_k = json.at("top_k"),
          .top_p = json.at("top_p"),
          .min_p = json.at("min_p"),
          .seed = json.at("seed")};
}

Json hit_json(const retrieval::PassageHit& hit) {
  return {{"passage", hit.passage}, {"document", hit.document}, {"root", hit.root},
          {"source", hit.source},   {"title", hit.title},       {"heading_path", hit.heading_path},
          {"start", hit.start},     {"end", hit.end},           {"score", hit.score},
          {"text", hit.text}};
}

retrieval::PassageHit hit_of(const Json& json) {
  return {.passage = json.at("passage"),
          .document = json.at("document"),
          .root = json.at("root"),
          .source = json.at("source"),
          .title = json.at("title"),
          .heading_path = json.at("heading_path"),
          .start = json.at("start"),
          .end = json.at("end"),
          .score = json.at("score"),
          .text = json.at("text")};
}

Json hits_json(const std::vector<retrieval::PassageHit>& hits) {
  Json list = Json::array();
  for (const retrieval::PassageHit& hit : hits) list.push_back(hit_json(hit));
  return list;
}

std::vector<retrieval::PassageHit> hits_of(const Json& json) {
  std::vector<retrieval::PassageHit> hits;
  for (const Json& hit : json) hits.push_back(hit_of(hit));
  return hits;
}

/// {"text": "..."}, {"passage": 0}, ...
Json span_json(const PromptSpan& span) {
  const std::string name(name_of(span.source, kSources));
  if (span.source == PromptSpan::Source::kText) return {{name, span.text}};
  return {{name, span.index}};
}

PromptSpan span_of(const Json& json) {
  const auto field = json.items().begin();
  PromptSpan span{named<PromptSpan::Source>(Json(field.key()), kSources), {}, 0};
  if (span.source == PromptSpan::Source::kText) {
    span.text = field.value();
  } else {
    span.index = field.value();
  }
  return span;
}

Json evidence_json(const Evidence& evidence) {
  return {{"mean_log_probability", evidence.mean_log_probability},
          {"question_coverage", evidence.question_coverage},
          {"question_explained", evidence.question_explained},
          {"novelty", evidence.novelty},
          {"is_question_scored", evidence.is_question_scored}};
}

Evidence evidence_of_json(const Json& json) {
  return {.mean_log_probability = json.at("mean_log_probability"),
          .question_coverage = json.at("question_coverage"),
          .question_explained = json.at("question_explained"),
          .novelty = json.at("novelty"),
          .is_question_scored = json.at("is_question_scored")};
}

Json usage_json(const inference::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},    {"cached_tokens", usage.cached_tokens},
          {"think_tokens", usage.think_tokens},      {"answer_tokens", usage.answer_tokens},
          {"probe_tokens", usage.probe_tokens},      {"drafted_tokens", usage.drafted_tokens},
          {"accepted_tokens", usage.accepted_tokens}};
}

inference::Usage usage_of(const Json& json) {
  return {.prompt_tokens = json.at("prompt_tokens"),
          .cached_tokens = json.at("cached_tokens"),
          .think_tokens = json.at("think_tokens"),
          .answer_tokens = json.at("answer_tokens"),
          .probe_tokens = json.at("probe_tokens"),
          .drafted_tokens = json.at("drafted_tokens"),
          .accepted_tokens = json.at("accepted_tokens")};
}

Json citation_json(const Citation& citation) {
  return {{"n", citation.n},
          {"passage", citation.passage},
          {"source", citation.source},
          {"start", citation.start},
          {"end", citation.end},
          {"answer_start", citation.answer_start},
          {"answer_end", citation.answer_end},
          {"support", citation.support}};
}

Citation citation_of(const Json& json) {
  return {.n = json.at("n"),
          .passage = json.at("passage"),
          .source = json.at("source"),
          .start = json.at("start"),
          .end = json.at("end"),
          .answer_start = json.at("answer_start"),
          .answer_end = json.at("answer_end"),
          .support = json.at("support")};
}

/// Without passages and citations.
Json draft_json(const Answer& answer) {
  return {{"text", answer.text},
          {"abstained", answer.abstained},
          {"confidence", answer.confidence},
          {"no_confidence", answer.no_confidence},
          {"evidence", evidence_json(answer.evidence)},
          {"thinking", answer.thinking},
          {"withheld", answer.withheld},
          {"finish_reason", name_of(answer.finish_reason, kReasons)},
          {"usage", usage_json(answer.usage)},
          {"prefill_s", answer.timing.prefill.count()},
          {"decode_s", answer.timing.decode.count()},
          {"kv_bytes", answer.kv_bytes},
          {"retrieval_s", answer.retrieval.count()},
          {"probe_s", answer.probe.count()},
          {"first_token_s", answer.first_token.count()}};
}

Answer draft_of(const Json& json) {
  const auto seconds = [&](const char* key) { return Seconds(json.at(key).get<double>()); };
  Answer answer;
  answer.text = json.at("text");
  answer.abstained = json.at("abstained");
  answer.confidence = json.at("confidence");
  answer.no_confidence = json.at("no_confidence");
  answer.evidence = evidence_of_json(json.at("evidence"));
  answer.thinking = json.at("thinking");
  answer.withheld = json.at("withheld");
  answer.finish_reason = named<inference::FinishReason>(json.at("finish_reason"), kReasons);
  answer.usage = usage_of(json.at("usage"));
  answer.timing = {.prefill = seconds("prefill_s"), .decode = seconds("decode_s")};
  answer.kv_bytes = json.at("kv_bytes");
  answer.retrieval = seconds("retrieval_s");
  answer.probe = seconds("probe_s");
  answer.first_token = seconds("first_token_s");
  return answer;
}

}  // namespace
}  // namespace weft::agents

namespace weft::planner {

using nlohmann::json;
using namespace agents;  // NOLINT(google-build-using-namespace): this file is about its types

void Codec<AnswerOptions>::to_json(json& made, const AnswerOptions& options) {
  made = {{"collection", options.collection},
          {"passages", options.passages},
          {"max_tokens", options.max_tokens},
          {"think_tokens_max", options.think_tokens_max},
          {"prefill", options.prefill},
          {"threshold", options.threshold},
          {"stop_words", name_of(options.stop_words, kStopWords)},
          {"sampling", sampling_json(options.sampling)},
          {"draft_tokens_max", options.draft_tokens_max},
          {"history", json::array()}};
  for (const inference::ChatMessage& turn : options.history) {
    made["history"].push_back({{"role", turn.role}, {"content", turn.content}});
  }
}
Result<AnswerOptions> Codec<AnswerOptions>::from_json(const json& from) {
  return reading<AnswerOptions>([&] {
    AnswerOptions options;
    options.collection = from.at("collection");
    options.passages = from.at("passages");
    options.max_tokens = from.at("max_tokens");
    options.think_tokens_max = from.at("think_tokens_max");
    options.prefill = from.at("prefill");
    options.threshold = from.at("threshold");
    options.stop_words = named<retrieval::StopWords>(from.at("stop_words"), kStopWords);
    options.sampling = sampling_of(from.at("sampling"));
    options.draft_tokens_max = from.at("draft_tokens_max");
    for (const json& turn : from.at("history")) {
      options.history.push_back({.role = turn.at("role"), .content = turn.at("content")});
    }
    return options;
  });
}

void Codec<Retrieved>::to_json(json& made, const Retrieved& retrieved) {
  made = {{"passages", hits_json(retrieved.passages)}, {"seconds", retrieved.time.count()}};
}
Result<Retrieved> Codec<Retrieved>::from_json(const json& from) {
  return reading<Retrieved>([&] {
    return Retrieved{hits_of(from.at("passages")), Seconds(from.at("seconds").get<double>())};
  });
}

void Codec<ComposedPrompt>::to_json(json& made, const ComposedPrompt& prompt) {
  made = {{"passages", prompt.passages}, {"turns", prompt.turns}, {"spans", json::array()}};
  for (const PromptSpan& span : prompt.spans) made["spans"].push_back(span_json(span));
}
Result<ComposedPrompt> Codec<ComposedPrompt>::from_json(const json& from) {
  return reading<ComposedPrompt>([&] {
    ComposedPrompt prompt{
        .passages = from.at("passages"), .turns = from.at("turns"), .spans = {}, .encoded = {}};
    for (const json& span : from.at("spans")) prompt.spans.push_back(span_of(span));
    return prompt;
  });
}

void Codec<QuestionAlone>::to_json(json& made, const QuestionAlone& alone) {
  made = {{"log_probabilities", alone.log_probabilities},
          {"tokens", alone.tokens},
          {"seconds", alone.time.count()}};
}
Result<QuestionAlone> Codec<QuestionAlone>::from_json(const json& from) {
  return reading<QuestionAlone>([&] {
    return QuestionAlone{from.at("log_probabilities").get<std::vector<float>>(), from.at("tokens"),
                         Seconds(from.at("seconds").get<double>())};
  });
}

void Codec<Draft>::to_json(json& made, const Draft& draft) {
  made = draft_json(draft.answer);
  made["passages"] = draft.passages;
}
Result<Draft> Codec<Draft>::from_json(const json& from) {
  return reading<Draft>([&] { return Draft{draft_of(from), from.at("passages")}; });
}

void Codec<Citation>::to_json(json& made, const Citation& citation) {
  made = citation_json(citation);
}
Result<Citation> Codec<Citation>::from_json(const json& from) {
  return reading<Citation>([&] { return citation_of(from); });
}

void Codec<Answer>::to_json(json& made, const Answer& answer) {
  made = draft_json(answer);
  made["passages"] = hits_json(answer.passages);
  made["citations"] = json::array();
  for (const Citation& citation : answer.citations) {
    made["citations"].push_back(citation_json(citation));
  }
}
Result<Answer> Codec<Answer>::from_json(const json& from) {
  return reading<Answer>([&] {
    Answer answer = draft_of(from);
    answer.passages = hits_of(from.at("passages"));
    for (const json& citation : from.at("citations")) {
      answer.citations.push_back(citation_of(citation));
    }
    return answer;
  });
}

}  // namespace weft::planner
