#pragma once
// How a plan's step says that it needs what an earlier one gave: $id, or ${id} before letters, or
// ${id/0/word} for a part of it (a JSON pointer). $$ is a dollar sign. An id is read to its end:
// $10 is step 10, never step 1 and a zero.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::planner {

/// The letters of an id: A-Z, a-z, 0-9 and _; at most kPlanIdBytesMax of them.
bool is_plan_id(std::string_view text) noexcept;
inline constexpr std::size_t kPlanIdBytesMax = 32;

struct PlanReference {
  std::string id;
  std::string pointer;  // empty: the whole value

  friend bool operator==(const PlanReference&, const PlanReference&) = default;
};

/// A piece of a text: its own words, or a reference.
struct PlanPiece {
  std::string text;  // if the reference has no id
  PlanReference reference;

  bool is_reference() const noexcept { return !reference.id.empty(); }
};

/// No two pieces in a row are texts, and none is empty. Errors: kInvalidArgument for a ${ that
/// isn't closed, holds no id, or whose pointer is none.
Result<std::vector<PlanPiece>> plan_pieces(std::string_view text);

/// All references in the texts of `json`, at any depth, in order. Errors: those of plan_pieces().
Result<std::vector<PlanReference>> plan_references(const nlohmann::json& json);

/// The value of a reference's id, as JSON.
using PlanLookup = std::function<const nlohmann::json&(const std::string& id)>;

/// `json` with values in the places of references: one that is a whole text becomes the value
/// itself; in a longer text, texts stand as they are and other values as JSON. What is put in isn't
/// looked through again. Errors: kNotFound if a value lacks what a pointer points at.
Result<nlohmann::json> fill_references(const nlohmann::json& json, const PlanLookup& lookup);

}  // namespace weft::planner
