#pragma once
// The flags that hold an answer to a JSON Schema, a grammar or a regular expression.

#include <memory>
#include <string>

#include "base/result.h"
#include "inference/grammar/automaton.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct GrammarFlags {
  std::string schema;   // a file
  std::string grammar;  // a file
  std::string regex;
};

/// `flags` must outlive the parsing. At most one of them may be given.
void add_grammar_flags(CLI::App& verb, GrammarFlags& flags);

/// The grammar that the flags name; null for none. Errors: those of reading the file and its text.
Result<std::shared_ptr<const inference::grammar::Automaton>> read_grammar(
    const GrammarFlags& flags);

}  // namespace weft::cli
