#pragma once
// The form that an llm node's answers have to have: "schema", "grammar" or "regex". Internal.

#include "planner/graph_file.h"
#include "planner/graph_file_json.h"
#include "planner/nodes/prompt.h"

namespace weft::planner::file {

inline const Names kFormKeys = {"schema", "schema_file", "grammar", "regex"};

/// Errors: kInvalidArgument for several of them; those of the readers and compile(), which name
/// what they don't read; kNotFound for the file.
Result<AnswerForm> read_form(const Json& json, const GraphParts& parts);

}  // namespace weft::planner::file
