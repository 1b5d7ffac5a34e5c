#include "planner/plans/reference.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/json_text.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::size_t letters_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_letter(text[at])) ++at;
  return at;
}

Error wrong(const std::string& why) { return Error{ErrorCode::kInvalidArgument, why}; }

/// What stands between ${ and }.
Result<PlanReference> braced(std::string_view inside) {
  const std::size_t end = letters_end(inside, 0);
  PlanReference reference{std::string(inside.substr(0, end)), std::string(inside.substr(end))};
  if (reference.id.empty() || (!reference.pointer.empty() && reference.pointer[0] != '/')) {
    return wrong("\"${" + std::string(inside.substr(0, 40)) +
                 "}\" is no reference: write ${id}, or ${id/key} for a part of its result");
  }
  try {
    (void)Json::json_pointer(reference.pointer);
  } catch (const Json::exception&) {
    return wrong("\"" + reference.pointer + "\" is no JSON pointer");
  }
  return reference;
}

Result<void> gather(const Json& json, std::vector<PlanReference>& found) {
  if (json.is_string()) {
    WEFT_TRY(pieces, plan_pieces(json.get_ref<const std::string&>()));
    for (PlanPiece& piece : pieces) {
      if (piece.is_reference()) found.push_back(std::move(piece.reference));
    }
  } else if (json.is_structured()) {
    for (const Json& inside : json) WEFT_TRY_VOID(gather(inside, found));
  }
  return {};
}

Result<Json> value_of(const PlanReference& reference, const PlanLookup& lookup) {
  const Json& whole = lookup(reference.id);
  if (reference.pointer.empty()) return whole;
  // contains() and at() throw for "/x" in an array.
  try {
    const Json::json_pointer pointer(reference.pointer);
    if (whole.contains(pointer)) return whole.at(pointer);
  } catch (const Json::exception&) {
  }
  return Error{ErrorCode::kNotFound, "there is no " + reference.pointer + " in what " +
                                         reference.id + " gave: " + tools::shown(whole)};
}

Result<Json> fill_text(const std::string& text, const PlanLookup& lookup) {
  WEFT_TRY(pieces, plan_pieces(text));
  if (pieces.size() == 1 && pieces[0].is_reference()) return value_of(pieces[0].reference, lookup);
  std::string filled;
  for (const PlanPiece& piece : pieces) {
    if (!piece.is_reference()) {
      filled += piece.text;
      continue;
    }
    WEFT_TRY(value, value_of(piece.reference, lookup));
    filled += value.is_string() ? value.get<std::string>()
                                : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return Json(std::move(filled));
}

}  // namespace

bool is_plan_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kPlanIdBytesMax && std::ranges::all_of(text, is_letter);
}

Result<std::vector<PlanPiece>> plan_pieces(std::string_view text) {
  std::vector<PlanPiece> pieces;
  const auto add_text = [&](std::string_view words) {
    if (pieces.empty() || pieces.back().is_reference()) pieces.emplace_back();
    pieces.back().text += words;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t dollar = std::min(text.find('$', at), text.size());
    if (dollar > at) add_text(text.substr(at, dollar - at));
    if (dollar == text.size()) break;
    const std::size_t next = dollar + 1;
    const std::size_t end = letters_end(text, next);
    if (text.substr(next).starts_with('$')) {
      add_text("$");
      at = next + 1;
    } else if (text.substr(next).starts_with('{')) {
      const std::size_t close = text.find('}', next);
      if (close == std::string_view::npos) {
        return wrong("\"${\" isn't closed; $${ is those characters as they stand");
      }
      WEFT_TRY(reference, braced(text.substr(next + 1, close - next - 1)));
      pieces.push_back({"", std::move(reference)});
      at = close + 1;
    } else if (end > next) {
      pieces.push_back({"", {std::string(text.substr(next, end - next)), ""}});
      at = end;
    } else {
      add_text("$");
      at = next;
    }
  }
  return pieces;
}

Result<std::vector<PlanReference>> plan_references(const Json& json) {
  std::vector<PlanReference> found;
  WEFT_TRY_VOID(gather(json, found));
  return found;
}

Result<Json> fill_references(const Json& json, const PlanLookup& lookup) {
  if (json.is_string()) return fill_text(json.get_ref<const std::string&>(), lookup);
  if (!json.is_structured()) return json;
  Json filled = json.is_array() ? Json::array() : Json::object();
  for (const auto& [key, inside] : json.items()) {
    WEFT_TRY(value, fill_references(inside, lookup));
    if (json.is_array()) {
      filled.push_back(std::move(value));
    } else {
      filled[key] = std::move(value);
    }
  }
  return filled;
}

}  // namespace weft::planner
