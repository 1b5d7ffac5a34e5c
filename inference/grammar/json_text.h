#pragma once
// The parts of JSON texts as expressions of a grammar: strings, numbers within bounds, literals.
// Between values stands nothing, or one space after ',' and ':'. Numbers have at most 18 digits
// before the point and 17 behind it, exponents 2, so that none goes on for ever.
// Source: RFC 8259. Private to inference.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/grammar/grammar.h"

namespace weft::inference::grammar {

class JsonText {
 public:
  using Json = nlohmann::ordered_json;

  static constexpr std::int64_t kIntegerMax = 999'999'999'999'999'999;

  explicit JsonText(Grammar& grammar) : grammar_(&grammar) {}

  NodeId comma();
  NodeId colon();
  NodeId literal(const Json& value);  // as nlohmann's dump() writes it
  /// Any string, its characters raw or escaped; `min` and `max` count code points.
  NodeId string(std::uint32_t min, std::uint32_t max);
  /// A string that matches a regular expression, with no more escapes than it needs.
  Result<NodeId> string_like(std::string_view expression, const GrammarLimits& limits);
  /// A string of one of the formats of JSON Schema; nothing for one that isn't known here.
  std::optional<NodeId> string_of_format(std::string_view format);
  /// A string that is none of `excluded`, with no more escapes than it needs.
  NodeId string_except(const std::vector<std::u32string>& excluded);
  /// Within [min, max].
  NodeId integer(std::int64_t min, std::int64_t max);
  /// Whole bounds of a number that needn't be whole.
  struct Bounds {
    std::int64_t min = -kIntegerMax;
    std::int64_t max = kIntegerMax;
    bool above_min = false;  // exclusive
    bool below_max = false;
  };
  NodeId number();
  NodeId number(const Bounds& bounds);  // without an exponent
  /// Any value.
  NodeId any();

 private:
  NodeId any_object();
  NodeId any_array();
  NodeId quote();
  NodeId free_character();
  NodeId plain_characters();
  NodeId digits(std::uint32_t min, std::uint32_t max);
  NodeId natural(std::int64_t min, std::int64_t max);
  NodeId between(std::string_view low, std::string_view high);
  NodeId magnitude(const Bounds& bounds);
  NodeId except(const std::vector<std::u32string>& sorted, std::size_t begin, std::size_t end,
                std::size_t depth);

  Grammar* grammar_;
  std::optional<NodeId> comma_, colon_, quote_, free_character_, plain_characters_, digit_, any_;
};

/// One code point of `set` within a JSON string: raw, or as the shortest escape if it needs one.
NodeId json_character(Grammar& grammar, const CodePointSet& set);

}  // namespace weft::inference::grammar
