#include "planner/graph_file_form.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "inference/grammar/ebnf.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/regex.h"

namespace weft::planner::file {
namespace {

namespace grammar = inference::grammar;

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(grammar::GrammarLimits().text_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // One that is too long is refused by its reader.
  if (!file && !file.eof()) {
    return Error{ErrorCode::kNotFound, path.string() + " can't be read"};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

/// A schema's members are written in its order, which JSON keeps in a text alone.
Result<std::string> schema_text(const Json& json, const GraphParts& parts) {
  if (json.contains("schema_file")) {
    WEFT_TRY(path, text(json, "schema_file"));
    return read_file(parts.folder / path);
  }
  if (json["schema"].is_string()) return json["schema"].get<std::string>();
  return json["schema"].dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<grammar::Grammar> read_grammar(const std::string& key, const std::string& source) {
  if (key == "grammar") return grammar::ebnf_grammar(source);
  if (key == "regex") return grammar::regex_grammar(source);
  return grammar::read_json_schema(source);
}

}  // namespace

Result<AnswerForm> read_form(const Json& json, const GraphParts& parts) {
  AnswerForm form;
  std::string key;
  for (const std::string& each : kFormKeys) {
    if (!json.contains(each)) continue;
    if (!key.empty()) return wrong("give either \"" + key + "\" or \"" + each + "\"");
    key = each;
  }
  if (key.empty()) return form;
  const bool is_schema = key.starts_with("schema");
  WEFT_TRY(source, is_schema ? schema_text(json, parts) : text(json, key.c_str()));
  form.source = (is_schema ? "schema" : key) + ' ' + source;
  auto read = read_grammar(key, source);
  if (!read) return std::move(read).error().with_context("\"" + key + "\"");
  auto compiled = grammar::compile(*read);
  if (!compiled) return std::move(compiled).error().with_context("\"" + key + "\"");
  form.automaton = *std::move(compiled);
  return form;
}

}  // namespace weft::planner::file
