#pragma once
// The form that an llm node's answers have to have: "schema", "grammar" or "regex". Internal.

#include <memory>
#include <string>

#include "inference/grammar/automaton.h"
#include "planner/graph_file.h"
#include "planner/graph_file_json.h"

namespace weft::planner::file {

inline const Names kFormKeys = {"schema", "schema_file", "grammar", "regex"};

struct Form {
  std::shared_ptr<const inference::grammar::Automaton> automaton;  // null: any text
  std::string source;                                              // what it was read from
};

/// Errors: kInvalidArgument for several of them; those of the readers and compile(), which name
/// what they don't read; kNotFound for the file.
Result<Form> read_form(const Json& json, const GraphParts& parts);
/// Holds the answers of `options` to the form. Errors: those of ModelNodes::trie().
Result<void> hold_to(const Form& form, ModelNodes& model, inference::GenerateOptions& options);

}  // namespace weft::planner::file
