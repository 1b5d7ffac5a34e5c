#pragma once
// How a node's result may be wrong, said beside its code, so that a program's error can be worked
// out from those of its nodes: see forecast_error().

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace weft::planner {

struct ErrorTag {
  enum class Kind {
    kNone,      // not said: it passes on its inputs' errors, as kExact does with sensitivity 1
    kExact,     // adds none: E <= sensitivity * sum of the inputs' errors
    kFail,      // is wrong with a chance of its own, or if any input is
    kAdditive,  // adds an error of its own, a number, to the sum of its inputs'
    kMax,       // its error is the largest of its inputs', and at most `mean` of its own
    kVote,      // takes the answer of most of its inputs, or the first to lead by `lead`
    kRetrieve,  // takes the answer of most chunks that have one
    kCustom,    // E <= mean + sensitivity * sum of the inputs' errors
  };
  Kind kind = Kind::kNone;
  double chance = 0;             // kFail, kCustom: of being wrong by itself
  double mean = 0;               // kAdditive: signed; kMax, kCustom: of the size of its own error
  double sd = 0;                 // kAdditive
  double sensitivity = 1;        // kExact, kCustom
  std::int64_t lead = 0;         // kVote: 0 = the majority of all
  double recall = 1;             // kRetrieve: of a chunk with the needle
  double false_alarm = 0;        // kRetrieve: of one without
  std::int64_t with_needle = 1;  // kRetrieve: J, the chunks that hold it, 2 where they overlap by
  double overlap = 0;            // half; the overlap, a share of a chunk, for the record
  /// An assumption, to be made explicitly: its own errors and its inputs' are independent. Without
  /// it there are bounds only.
  bool independent = false;

  friend bool operator==(const ErrorTag&, const ErrorTag&) = default;

  static ErrorTag exact(double sensitivity = 1) {
    return {.kind = Kind::kExact, .sensitivity = sensitivity, .independent = true};
  }
  static ErrorTag fail(double chance) { return {.kind = Kind::kFail, .chance = chance}; }
  static ErrorTag additive(double mean, double sd) {
    return {.kind = Kind::kAdditive, .mean = mean, .sd = sd};
  }
  static ErrorTag max(double own) { return {.kind = Kind::kMax, .mean = own}; }
  static ErrorTag vote() { return {.kind = Kind::kVote}; }
  static ErrorTag lead_by(std::int64_t lead) { return {.kind = Kind::kVote, .lead = lead}; }
  /// The same, with independence assumed.
  ErrorTag as_independent() const {
    ErrorTag tag = *this;
    tag.independent = true;
    return tag;
  }
};

/// {"kind": "fail", "chance": 0.1, ...}, what is the default left out; and back. Errors:
/// kInvalidArgument names the member.
nlohmann::json error_tag_json(const ErrorTag& tag);
Result<ErrorTag> error_tag_from_json(const nlohmann::json& json);

}  // namespace weft::planner
