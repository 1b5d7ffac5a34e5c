#include "cli/json_output.h"

#include <nlohmann/json.hpp>

namespace weft::cli {

nlohmann::ordered_json usage_json(const inference::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"cached_tokens", usage.cached_tokens},
          {"completion_tokens", usage.think_tokens + usage.answer_tokens},
          {"think_tokens", usage.think_tokens},
          {"answer_tokens", usage.answer_tokens},
          {"probe_tokens", usage.probe_tokens},
          {"drafted_tokens", usage.drafted_tokens},
          {"accepted_tokens", usage.accepted_tokens},
          {"total_tokens", usage.prompt_tokens + usage.think_tokens + usage.answer_tokens}};
}

nlohmann::ordered_json timing_json(const inference::Timing& timing, const inference::Usage& usage) {
  return {{"prefill_s", timing.prefill.count()},
          {"decode_s", timing.decode.count()},
          {"prefill_tokens_per_s", timing.prefill_tokens_per_s(usage)},
          {"decode_tokens_per_s", timing.decode_tokens_per_s(usage)}};
}

nlohmann::ordered_json passage_json(const retrieval::PassageHit& passage) {
  return {{"source", passage.source},        {"start", passage.start}, {"end", passage.end},
          {"score", passage.score},          {"text", passage.text},   {"title", passage.title},
          {"heading", passage.heading_path}, {"root", passage.root}};
}

}  // namespace weft::cli
