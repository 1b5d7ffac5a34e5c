#include "cli/grammar_flags.h"

#include <CLI/CLI.hpp>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "inference/grammar/constraint.h"
#include "inference/grammar/ebnf.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/monitor.h"
#include "inference/grammar/regex.h"

namespace weft::cli {
namespace {

using inference::LogitsStep;
using inference::ThinkSpan;
using inference::grammar::Grammar;
using inference::grammar::GrammarLimits;

constexpr std::array kKeys = {"schema", "grammar", "regex", "choice", "choice_after"};
constexpr std::size_t kCompiledMax = 1024;  // forms of a run that are kept; some 10 KB each

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

Result<Grammar> parse(std::string_view key, const std::string& text) {
  if (key == "schema") return inference::grammar::read_json_schema(text);
  if (key == "grammar") return inference::grammar::ebnf_grammar(text);
  return inference::grammar::regex_grammar(text);
}

Grammar one_of(const std::vector<std::string>& texts) {
  Grammar grammar;
  std::vector<inference::grammar::NodeId> alternatives;
  for (const std::string& text : texts) alternatives.push_back(grammar.text(text));
  grammar.root = grammar.add_rule("choice");
  grammar.define(grammar.root, grammar.choice(std::move(alternatives)));
  return grammar;
}

Result<std::string> schema_text(const BatchLine& line) {
  const auto& schema = line.object().at("schema");
  if (schema.is_object() || schema.is_boolean()) return schema.dump();
  return Error{ErrorCode::kInvalidArgument,
               "\"schema\": the schema itself, an object, is needed here"};
}

Error needs_choices() {
  return {ErrorCode::kInvalidArgument,
          "\"choice_after\" says where a choice stands: name the texts with \"choice\""};
}

}  // namespace

std::span<const char* const> grammar_keys() noexcept { return kKeys; }

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
  auto* choice =
      verb.add_option("--choice", flags.choices, "Answer with one of these texts; to be repeated")
          ->type_name("TEXT")
          ->take_all()
          ->allow_extra_args(false);
  verb.add_option("--choice-after", flags.choice_after,
                  "Answer freely, but have one of the choices follow wherever this text stands")
      ->type_name("TEXT")
      ->needs(choice);
  schema->excludes(grammar)->excludes(regex)->excludes(choice);
  grammar->excludes(regex)->excludes(choice);
  regex->excludes(choice);
}

Result<AnswerForms> AnswerForms::open(const GrammarFlags& flags) {
  AnswerForms forms;
  Form& form = forms.from_flags_;
  if (!flags.choice_after.empty()) {
    form.names = flags.choices;
    form.after = flags.choice_after;
    return forms;
  }
  Result<Grammar> grammar = Grammar();
  if (!flags.choices.empty()) {
    grammar = one_of(flags.choices);
  } else if (!flags.regex.empty()) {
    grammar = parse("regex", flags.regex);
  } else if (!flags.schema.empty() || !flags.grammar.empty()) {
    WEFT_TRY(text, read_file(flags.schema.empty() ? flags.grammar : flags.schema));
    grammar = parse(flags.schema.empty() ? "grammar" : "schema", text);
  } else {
    return forms;
  }
  if (!grammar) return std::move(grammar).error();
  WEFT_TRY(automaton, compile(*grammar));
  form.automaton = std::move(automaton);
  return forms;
}

Result<AnswerForms::Automaton> AnswerForms::compiled(const std::string& key,
                                                     const std::string& text) {
  const std::string name = key + ' ' + text;
  if (const auto known = compiled_.find(name); known != compiled_.end()) return known->second;
  auto grammar = parse(key, text);
  auto automaton = grammar ? compile(*grammar) : Result<Automaton>(grammar.error());
  if (!automaton) return std::move(automaton).error().with_context("\"" + key + "\"");
  if (compiled_.size() == kCompiledMax) compiled_.clear();
  compiled_.emplace(name, *automaton);
  return *automaton;
}

Result<AnswerForms::Form> AnswerForms::form_of(const BatchLine& line) {
  std::vector<std::string> given;
  for (const char* key : {"schema", "grammar", "regex", "choice"}) {
    if (line.has(key)) given.emplace_back(key);
  }
  if (given.size() > 1) {
    return Error{ErrorCode::kInvalidArgument, "\"" + given[0] + "\" and \"" + given[1] +
                                                  "\" both say what the answer is: give one"};
  }
  if (given.empty()) {
    if (line.has("choice_after")) return needs_choices();
    return from_flags_;
  }
  const std::string& key = given.front();
  if (key == "choice") return choice_of(line);
  if (line.has("choice_after")) return needs_choices();
  WEFT_TRY(text, key == "schema" ? schema_text(line) : line.string(key));
  WEFT_TRY(automaton, compiled(key, text));
  return Form{std::move(automaton), {}, {}};
}

Result<AnswerForms::Form> AnswerForms::choice_of(const BatchLine& line) {
  WEFT_TRY(choices, line.strings("choice"));
  if (choices.empty()) {
    return Error{ErrorCode::kInvalidArgument, "\"choice\": at least one text is needed here"};
  }
  if (line.has("choice_after")) {
    WEFT_TRY(after, line.string("choice_after"));
    return Form{nullptr, std::move(choices), std::move(after)};
  }
  WEFT_TRY(automaton, compile(one_of(choices)));
  return Form{std::move(automaton), {}, {}};
}

Result<std::optional<LogitsStep>> AnswerForms::step(const Form& form, const inference::Model& model,
                                                    const std::optional<ThinkSpan>& think) {
  if (form.automaton == nullptr && form.names.empty()) return std::optional<LogitsStep>();
  if (trie_ == nullptr) {
    WEFT_TRY(trie, inference::grammar::TokenTrie::of(model.tokenizer()));
    trie_ = std::move(trie);
  }
  if (form.automaton != nullptr) {
    return std::optional<LogitsStep>(inference::grammar::constrain(form.automaton, trie_, {think}));
  }
  WEFT_TRY(names,
           inference::grammar::name_monitor(
               {form.after, [names = form.names](std::string_view) { return names; }}, trie_));
  return std::optional<LogitsStep>(inference::grammar::watch(std::move(names), trie_));
}

Result<std::optional<LogitsStep>> AnswerForms::step(const inference::Model& model,
                                                    const std::optional<ThinkSpan>& think) {
  return step(from_flags_, model, think);
}

Result<std::optional<LogitsStep>> AnswerForms::step(const BatchLine& line,
                                                    const inference::Model& model,
                                                    const std::optional<ThinkSpan>& think) {
  WEFT_TRY(form, form_of(line));
  return step(form, model, think);
}

}  // namespace weft::cli
