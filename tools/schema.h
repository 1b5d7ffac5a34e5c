#pragma once
// What a tool's arguments may be: a subset of JSON Schema (2020-12) that can be checked in full.
// Keywords: type (a name or a list of them), enum, properties, required, additionalProperties (a
// bool), items, minItems, maxItems, minimum, maximum, minLength, maxLength. Of title, description,
// default, examples, $schema and $comment nothing is checked, as the standard says. Any other
// keyword is an error, not ignored: what isn't checked isn't promised.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace weft::tools {

class Schema {
 public:
  /// Anything at all.
  Schema();

  /// Errors: kInvalidArgument says where and why; kUnsupported names a keyword that isn't above.
  static Result<Schema> parse(const nlohmann::json& json);

  /// Errors: kInvalidArgument says where in the value (as a JSON pointer), what is there and what
  /// would be right.
  Result<void> check(const nlohmann::json& value) const;

  const nlohmann::json& json() const noexcept { return *json_; }

 private:
  explicit Schema(std::shared_ptr<const nlohmann::json> json) : json_(std::move(json)) {}

  std::shared_ptr<const nlohmann::json> json_;  // an object that parse() has checked
};

}  // namespace weft::tools
