#pragma once
// JSON Schemas as grammars: every text of the grammar is valid JSON that the schema accepts. Not
// every value that it accepts has a text: members come in the order of "properties" (optional ones
// may be left out), then those that "additionalProperties" allows, if it is given or there are no
// "properties"; no items follow "prefixItems" unless "items" is given; numbers and white space are
// as json_text.h says.
//
// Read are: type, enum, const, $ref within the document, anyOf, oneOf of alternatives that can't
// both hold, allOf and siblings of these where no keyword clashes; properties, required,
// additionalProperties; items, prefixItems, minItems, maxItems; minLength, maxLength, or pattern
// (regex.h), or format (date, time, date-time, uuid, email, hostname, ipv4, uri); minimum, maximum,
// exclusiveMinimum, exclusiveMaximum (whole ones). Annotations are ignored. Anything else is an
// error, never ignored. Source: JSON Schema 2020-12, core and validation.

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/result.h"
#include "inference/grammar/grammar.h"

namespace weft::inference::grammar {

/// Errors: kInvalidArgument for what isn't a schema; kUnsupported for a keyword, or a value of one,
/// that isn't read here; both name it and where it stands, such as #/properties/name.
Result<Grammar> json_schema_grammar(const nlohmann::ordered_json& schema,
                                    const GrammarLimits& limits = {});
/// The same for the schema's text. Errors: also kInvalidArgument for broken JSON.
Result<Grammar> read_json_schema(std::string_view text, const GrammarLimits& limits = {});

}  // namespace weft::inference::grammar
