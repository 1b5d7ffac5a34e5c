// Mutations of schemas, grammars and expressions: whatever comes out, reading and compiling them
// return within their limits, and what compiles can be begun.

#include <catch2/catch.hpp>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "inference/grammar/automaton.h"
#include "inference/grammar/ebnf.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/regex.h"
#include "tests/fuzz/rounds.h"

using namespace weft::inference::grammar;
using Json = nlohmann::ordered_json;

static constexpr std::uint64_t kMutationsMin = 1'500;

static const std::vector<std::string> kSchemas = {
    R"({"type":"object","properties":{"a":{"type":"string","maxLength":9},"b":{"items":{"type":"integer","minimum":-3}}},"required":["b"]})",
    R"({"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[{"type":"null"},{"properties":{"n":{"$ref":"#/$defs/n"}},"additionalProperties":false}]}}})",
    R"({"oneOf":[{"const":1},{"enum":["a","b"]},{"type":"string","pattern":"^[a-z]{2,4}(x|y)?$"}]})"};
static const std::vector<std::string> kTexts = {
    "root ::= sum # a comment\nsum ::= term ([+-] term)*\nterm ::= [0-9]+ | \"(\" sum \")\"",
    "root ::= \"a\\n\" [^x-z\\]]{2,5} | #x41 root?\n"};
static const std::vector<std::string> kExpressions = {"^(?:a|b)*[^c-e\\d]{2,3}\\u00e9$|x+?",
                                                      ".*foo(bar){3,}"};

static void mutate(std::string& text, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "(",
                                                 ")",
                                                 "\"",
                                                 "\\",
                                                 "|",
                                                 "*",
                                                 "+",
                                                 "?",
                                                 "{2,}",
                                                 "{0,99999}",
                                                 "::=",
                                                 "root",
                                                 "\n",
                                                 "#",
                                                 "^",
                                                 "$",
                                                 "-",
                                                 ",",
                                                 ":",
                                                 "true",
                                                 "null",
                                                 "-1e999",
                                                 "99999999999999999999",
                                                 "\xff",
                                                 "\xe2\x82",
                                                 "\"$ref\":\"#\",",
                                                 "\"minItems\":5000,",
                                                 "\"type\":\"array\",",
                                                 "\"allOf\":[",
                                                 "\\u{",
                                                 "(?:",
                                                 "\\d"};
  const std::size_t at = text.empty() ? 0 : random() % text.size();
  switch (random() % 4) {
    case 0:
      text.erase(at, 1 + random() % 8);
      break;
    case 1:
      text.insert(at, kPieces[random() % std::size(kPieces)]);
      break;
    case 2:
      text.insert(at, text.substr(random() % (text.size() + 1), 1 + random() % 30));
      break;
    default:
      if (!text.empty()) text[at] = static_cast<char>(random());
  }
}

/// Changes one value somewhere inside, or one key: it stays JSON.
static void mutate_json(Json& json, std::mt19937& random) {
  static const std::vector<std::string> kValues = {"true",
                                                   "false",
                                                   "0",
                                                   "-1",
                                                   "5000",
                                                   "1e300",
                                                   "\"a\"",
                                                   "\"integer\"",
                                                   "[]",
                                                   "{}",
                                                   R"({"$ref":"#"})",
                                                   R"({"type":"array"})",
                                                   R"(["string",null])",
                                                   R"([{"const":2},{"type":"boolean"}])"};
  static const std::vector<std::string> kKeys = {
      "type",        "items",     "anyOf",   "oneOf",   "allOf",  "required",
      "minItems",    "maxLength", "minimum", "pattern", "format", "additionalProperties",
      "prefixItems", "const",     "enum",    "$ref",    "title",  "maxProperties"};
  const bool goes_in = json.is_structured() && !json.empty() && random() % 4 != 0;
  if (!goes_in) {
    json = Json::parse(kValues[random() % kValues.size()]);
    return;
  }
  auto inside = json.begin();
  std::advance(inside, static_cast<std::ptrdiff_t>(random() % json.size()));
  if (json.is_object() && random() % 4 == 0) {
    Json value = *inside;
    json[kKeys[random() % kKeys.size()]] = std::move(value);
  } else {
    mutate_json(*inside, random);
  }
}

/// Half of the schemas stay JSON: else nearly all are refused by its parser.
static void mutate_schema(std::string& text, std::mt19937& random) {
  if (random() % 2 == 0) return mutate(text, random);
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return mutate(text, random);
  mutate_json(json, random);
  text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename Mutate, typename Read>
static void fuzz(const char* name, const std::vector<std::string>& corpus, const Mutate& change,
                 const Read& read) {
  // Small limits: what is large is refused early, and there is time for more inputs.
  const GrammarLimits limits = {.nodes = 20'000, .nesting = 50, .states = 10'000, .repeats = 5'000};
  std::size_t compiled = 0;
  std::size_t refused = 0;
  weft::test::Rounds rounds(name, {.inputs_min = kMutationsMin});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937 random(static_cast<unsigned>(rounds.seed()));
    std::string text = corpus[rounds.seed() % corpus.size()];
    for (std::size_t k = 1 + random() % 4; k > 0; --k) change(text, random);
    const auto grammar = read(text, limits);
    const auto automaton =
        grammar ? compile(*grammar, limits) : decltype(compile(*grammar))(grammar.error());
    if (automaton) {
      REQUIRE((*automaton)->height((*automaton)->start()) <= limits.depth);
      ++compiled;
    } else {
      REQUIRE_FALSE(automaton.error().message.empty());
      ++refused;
    }
  }
  // Both ways must have been walked for the test to mean something.
  CHECK(compiled > 50);
  CHECK(refused > 50);
}

TEST_CASE("no mutation of a JSON Schema crashes or hangs") {
  fuzz("schemas", kSchemas, mutate_schema, [](std::string_view text, const GrammarLimits& limits) {
    return read_json_schema(text, limits);
  });
}

TEST_CASE("no mutation of a grammar crashes or hangs") {
  fuzz("grammars", kTexts, mutate, ebnf_grammar);
}

TEST_CASE("no mutation of an expression crashes or hangs") {
  fuzz("expressions", kExpressions, mutate, regex_grammar);
}
