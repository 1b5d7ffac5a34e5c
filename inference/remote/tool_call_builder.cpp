#include "inference/remote/tool_call_builder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "inference/remote/json_read.h"

namespace weft::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kCallsMax = 128;
constexpr std::size_t kArgumentBytesMax = std::size_t{4} << 20;

}  // namespace

Result<void> ToolCallBuilder::add(const Json& pieces) {
  if (!pieces.is_array()) return {};
  for (const Json& piece : pieces) WEFT_TRY_VOID(add_piece(piece));
  return {};
}

/// The call that a piece goes on with; null if it begins one.
ToolCallBuilder::Building* ToolCallBuilder::find(const std::string& id,
                                                 std::optional<std::size_t> index,
                                                 const std::string& name) {
  const auto last_where = [&](auto matches) -> Building* {
    const auto found = std::find_if(calls_.rbegin(), calls_.rend(), matches);
    return found == calls_.rend() ? nullptr : &*found;
  };
  if (!id.empty()) {
    if (Building* known = last_where([&](const Building& b) { return b.call.id == id; })) {
      return known;
    }
    // A new id: another call even where the index is the same, unless that one still has no id.
    return !index ? nullptr : last_where([&](const Building& b) {
      return b.index == index && b.call.id.empty();
    });
  }
  Building* open = index ? last_where([&](const Building& b) { return b.index == index; })
                         : (calls_.empty() ? nullptr : &calls_.back());
  // Without an id, a name begins a call, unless it is repeated within one whose arguments are not
  // complete yet.
  const bool begins = open != nullptr && !name.empty() && !open->call.name.empty() &&
                      (open->call.name != name || Json::accept(open->call.arguments));
  return begins ? nullptr : open;
}

Result<void> ToolCallBuilder::add_piece(const Json& piece) {
  const Json* function = member(piece, "function");
  if (function == nullptr) return {};
  const std::string id = text_member(piece, "id");
  const std::string name = text_member(*function, "name");
  const std::optional<std::size_t> index = count_member(piece, "index");
  Building* building = find(id, index, name);
  if (building == nullptr) {
    if (calls_.size() >= kCallsMax) {
      return Error{ErrorCode::kCorrupt,
                   "the answer calls more than " + std::to_string(kCallsMax) + " tools"};
    }
    building = &calls_.emplace_back(Building{.call = {}, .index = index});
  }
  if (building->call.id.empty()) building->call.id = id;
  if (building->call.name.empty()) building->call.name = name;
  if (const Json* arguments = member(*function, "arguments")) {
    // Some send the object itself.
    const std::string text = arguments->is_string()
                                 ? arguments->get<std::string>()
                                 : arguments->dump(-1, ' ', false, Json::error_handler_t::replace);
    argument_bytes_ += text.size();
    if (argument_bytes_ > kArgumentBytesMax) {
      return Error{ErrorCode::kCorrupt, "the arguments of the answer's tool calls have more than " +
                                            std::to_string(kArgumentBytesMax) + " bytes"};
    }
    building->call.arguments += text;
  }
  return {};
}

std::vector<ToolCall> ToolCallBuilder::take() {
  std::vector<ToolCall> calls;
  for (Building& building : calls_) {
    ToolCall& call = building.call;
    if (call.id.empty()) call.id = "call_" + std::to_string(calls.size());
    if (call.arguments.empty()) call.arguments = "{}";
    calls.push_back(std::move(call));
  }
  calls_.clear();
  argument_bytes_ = 0;
  return calls;
}

}  // namespace weft::inference
