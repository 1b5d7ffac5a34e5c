#pragma once
// Reading members of a graph's file, with messages for the person who wrote it. Internal.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "planner/graph_file.h"
#include "planner/policy.h"

namespace weft::planner::file {

using Json = nlohmann::json;
using Names = std::vector<std::string>;

Error wrong(const std::string& why);

/// Errors: kInvalidArgument if it is no object, or names a key that isn't among `keys`.
Result<void> only(const Json& json, const Names& keys);

/// Of a member that has to be there, or nothing if it isn't. Errors: kInvalidArgument.
Result<std::string> text(const Json& json, const char* key);
Result<std::string> text_or(const Json& json, const char* key, const std::string& usual);
Result<std::int64_t> integer_or(const Json& json, const char* key, std::int64_t usual,
                                std::int64_t least, std::int64_t most);
Result<double> number_or(const Json& json, const char* key, double usual, double least,
                         double most);
Result<bool> bool_or(const Json& json, const char* key, bool usual);
Result<Names> texts_or(const Json& json, const char* key, const Names& usual);
/// A list that has to be there.
Result<const Json*> list(const Json& json, const char* key);

/// graph_budget().
Result<GraphBudget> budget(const Json& json);

/// The keys with which every node that is run may say how: what `policy` has is what they change.
extern const Names kPolicyKeys;
Result<void> read_policy(const Json& json, Policy& policy);

}  // namespace weft::planner::file
