#pragma once
// The shapes that several verbs print with --json.

#include <nlohmann/json_fwd.hpp>

#include "inference/generate.h"
#include "retrieval/document.h"

namespace weft::cli {

/// {prompt_tokens, cached_tokens, completion_tokens, total_tokens}
nlohmann::ordered_json usage_json(const inference::Usage& usage);
/// {prefill_s, decode_s, prefill_tokens_per_s, decode_tokens_per_s}
nlohmann::ordered_json timing_json(const inference::Timing& timing, const inference::Usage& usage);

/// {source, start, end, score, text, title, heading, root}
nlohmann::ordered_json passage_json(const retrieval::PassageHit& passage);

}  // namespace weft::cli
