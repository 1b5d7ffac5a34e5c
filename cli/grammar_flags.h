#pragma once
// The flags and batch keys that hold an answer to a form: a JSON Schema, a grammar, a regular
// expression, or one of some given texts, as the whole answer or after a mark within it.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/batch.h"
#include "inference/grammar/automaton.h"
#include "inference/grammar/token_trie.h"
#include "inference/logits_processor.h"
#include "inference/model.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct GrammarFlags {
  std::string schema;   // a file
  std::string grammar;  // a file
  std::string regex;
  std::vector<std::string> choices;
  std::string choice_after;  // where the choices stand; empty: they are the whole answer
};

/// `flags` must outlive the parsing. At most one of them may be given.
void add_grammar_flags(CLI::App& verb, GrammarFlags& flags);

/// The keys that a batch line may have for them: "schema" holds the schema itself, "grammar" the
/// grammar's text.
std::span<const char* const> grammar_keys() noexcept;

/// The forms of one run: each is compiled once, whatever number of lines has it.
class AnswerForms {
 public:
  /// Reads what the flags name. Errors: those of reading the files and their texts.
  static Result<AnswerForms> open(const GrammarFlags& flags);

  /// The last step of an answer's chain; none where nothing holds it. Errors: those of the
  /// vocabulary's trie.
  Result<std::optional<inference::LogitsStep>> step(
      const inference::Model& model, const std::optional<inference::ThinkSpan>& think);
  /// The same for a batch line, whose key stands in for the flags. Errors: also kInvalidArgument
  /// for more than one key, and those of its text; names the key.
  Result<std::optional<inference::LogitsStep>> step(
      const BatchLine& line, const inference::Model& model,
      const std::optional<inference::ThinkSpan>& think);

 private:
  using Automaton = std::shared_ptr<const inference::grammar::Automaton>;
  struct Form {
    Automaton automaton;  // null: no form, or names
    std::vector<std::string> names;
    std::string after;
  };

  Result<Automaton> compiled(const std::string& key, const std::string& text);
  Result<Form> form_of(const BatchLine& line);
  static Result<Form> choice_of(const BatchLine& line);
  Result<std::optional<inference::LogitsStep>> step(
      const Form& form, const inference::Model& model,
      const std::optional<inference::ThinkSpan>& think);

  Form from_flags_;
  std::map<std::string, Automaton> compiled_;  // by key and text
  std::shared_ptr<const inference::grammar::TokenTrie> trie_;
};

}  // namespace weft::cli
