#include "cli/grammar_flags.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <utility>

#include "inference/grammar/ebnf.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/regex.h"

namespace weft::cli {
namespace {

using inference::grammar::Grammar;
using inference::grammar::GrammarLimits;

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(GrammarLimits().text_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // One that is too long is refused by its reader.
  if (!file && !file.eof()) {
    return Error{ErrorCode::kNotFound, "'" + path + "' can't be read"};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Result<Grammar> parse(const GrammarFlags& flags) {
  if (!flags.regex.empty()) return inference::grammar::regex_grammar(flags.regex);
  WEFT_TRY(text, read_file(flags.schema.empty() ? flags.grammar : flags.schema));
  if (!flags.schema.empty()) return inference::grammar::read_json_schema(text);
  return inference::grammar::ebnf_grammar(text);
}

}  // namespace

void add_grammar_flags(CLI::App& verb, GrammarFlags& flags) {
  auto* schema =
      verb.add_option("--schema", flags.schema, "Answer with JSON that this JSON Schema accepts")
          ->type_name("FILE");
  auto* grammar = verb.add_option("--grammar", flags.grammar,
                                  "Answer with a text of this grammar (GBNF or EBNF, from its "
                                  "rule root)")
                      ->type_name("FILE");
  auto* regex = verb.add_option("--regex", flags.regex,
                                "Answer with a text that this expression matches as a whole")
                    ->type_name("EXPRESSION");
  schema->excludes(grammar)->excludes(regex);
  grammar->excludes(regex);
}

Result<std::shared_ptr<const inference::grammar::Automaton>> read_grammar(
    const GrammarFlags& flags) {
  if (flags.schema.empty() && flags.grammar.empty() && flags.regex.empty()) {
    return std::shared_ptr<const inference::grammar::Automaton>();
  }
  WEFT_TRY(grammar, parse(flags));
  return compile(grammar);
}

}  // namespace weft::cli
