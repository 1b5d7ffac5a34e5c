#pragma once
// Strings, numbers and counts as a JSON Schema describes them: the keywords that hold no schemas.
// Inside inference/grammar only.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "inference/grammar/grammar.h"
#include "inference/grammar/json_text.h"

namespace weft::inference::grammar {

/// Where a schema stands, for messages, and what it may ask for.
struct SchemaPlace {
  const std::string& where;  // a JSON pointer
  const GrammarLimits& limits;
};

Error wrong(const std::string& where, const std::string& what);        // kInvalidArgument
Error unsupported(const std::string& where, const std::string& what);  // kUnsupported

/// A bound that counts. Errors: kInvalidArgument, kUnsupported beyond limits.repeats.
Result<std::uint32_t> count_of(const nlohmann::ordered_json& schema, const char* key,
                               std::uint32_t fallback, const SchemaPlace& place);
/// minLength, maxLength, pattern, format. `json` writes into `grammar`.
Result<NodeId> string_of(const nlohmann::ordered_json& schema, const SchemaPlace& place,
                         Grammar& grammar, JsonText& json);
/// minimum, maximum and the exclusive ones, of integers or of any number.
Result<NodeId> number_of(const nlohmann::ordered_json& schema, bool whole, const SchemaPlace& place,
                         JsonText& json);

}  // namespace weft::inference::grammar
