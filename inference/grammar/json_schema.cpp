#include "inference/grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "inference/grammar/json_schema_merge.h"
#include "inference/grammar/json_schema_scalars.h"
#include "inference/grammar/json_text.h"

namespace weft::inference::grammar {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPropertiesMax = 1000;      // of one object
constexpr std::size_t kNameCharactersMax = 1000;  // of a property, where others are to differ

constexpr std::array kTypes = {"object", "array", "string", "number", "integer", "boolean", "null"};

constexpr std::array kObjectKeys = {"properties", "required", "additionalProperties",
                                    "minProperties", "maxProperties"};
constexpr std::array kArrayKeys = {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"};
constexpr std::array kStringKeys = {"minLength", "maxLength", "pattern", "format"};
constexpr std::array kNumberKeys = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                                    "multipleOf"};
constexpr std::array kCombining = {"anyOf", "oneOf", "allOf"};

template <typename Keys>
bool has(const Keys& keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

std::u32string decoded(std::string_view text) {
  std::u32string points;
  while (!text.empty()) {
    const Utf8CodePoint point = decode_utf8(text);
    points.push_back(point.value);
    text.remove_prefix(point.size);
  }
  return points;
}

/// A step of a JSON pointer.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char letter : name) {
    if (letter == '~') {
      out += "~0";
    } else if (letter == '/') {
      out += "~1";
    } else {
      out += letter;
    }
  }
  return out;
}

class Reader {
 public:
  Reader(const Json& document, const GrammarLimits& limits)
      : document_(document), limits_(limits), text_(grammar_) {}

  Result<Grammar> read() {
    grammar_.root = reference("#");
    // Each definition is read once, however deeply they refer to each other.
    while (!pending_.empty()) {
      const auto [pointer, rule] = pending_.front();
      pending_.pop_front();
      const Json* target = find_reference(document_, pointer);
      if (target == nullptr) return wrong(pointer, "\"$ref\" points at nothing in this document");
      WEFT_TRY(body, schema(*target, pointer));
      grammar_.define(rule, body);
    }
    return std::move(grammar_);
  }

 private:
  RuleId reference(const std::string& pointer) {
    const auto [found, is_new] = rules_.try_emplace(pointer);
    if (is_new) {
      found->second = grammar_.add_rule(pointer);
      pending_.emplace_back(pointer, found->second);
    }
    return found->second;
  }

  Result<NodeId> schema(const Json& schema, const std::string& where) {
    if (depth_ >= limits_.nesting) return wrong(where, "schemas nest too deeply");
    if (grammar_.nodes().size() > limits_.nodes) {
      return Error{ErrorCode::kResourceExhausted, "JSON Schema: it is too large, at " + where};
    }
    ++depth_;
    auto node = unguarded(schema, where);
    --depth_;
    return node;
  }

  Result<NodeId> unguarded(const Json& schema, const std::string& where) {
    if (schema.is_boolean()) return schema.get<bool>() ? text_.any() : grammar_.choice({});
    if (!schema.is_object()) return wrong(where, "a schema is an object, true or false");
    WEFT_TRY_VOID(check_keys(schema, where));
    if (schema.contains("$ref")) return referred(schema, where);
    for (const char* key : kCombining) {
      if (schema.contains(key)) return combined(schema, key, where);
    }
    WEFT_TRY(types, types_of(schema, where));
    if (schema.contains("enum") || schema.contains("const")) return values(schema, types, where);
    if (types.empty()) return text_.any();
    std::vector<NodeId> alternatives;
    for (const std::string& type : types) {
      WEFT_TRY(each, typed(schema, type, where));
      alternatives.push_back(each);
    }
    return grammar_.choice(std::move(alternatives));
  }

  static Result<void> check_keys(const Json& schema, const std::string& where) {
    for (const auto& [key, value] : schema.items()) {
      const bool known = is_annotation(key) || has(kObjectKeys, key) || has(kArrayKeys, key) ||
                         has(kStringKeys, key) || has(kNumberKeys, key) || has(kCombining, key) ||
                         key == "type" || key == "enum" || key == "const" || key == "$ref";
      if (!known) return unsupported(where, "the keyword \"" + key + "\" isn't supported");
    }
    return {};
  }

  Result<NodeId> referred(const Json& schema, const std::string& where) {
    const Json& target = schema["$ref"];
    if (!target.is_string() || !target.get_ref<const std::string&>().starts_with('#')) {
      return unsupported(where, "\"$ref\" must point into the same document: \"#/$defs/NAME\"");
    }
    for (const auto& [key, value] : schema.items()) {
      if (key != "$ref" && !is_annotation(key)) {
        return unsupported(where, "the keyword \"" + key + "\" beside \"$ref\" isn't supported");
      }
    }
    return grammar_.call(reference(target.get<std::string>()));
  }

  /// anyOf, oneOf or allOf: each alternative holds together with what stands beside it.
  Result<NodeId> combined(const Json& schema, const std::string& key, const std::string& where) {
    const Json& list = schema[key];
    const std::string place = where + "/" + key;
    if (!list.is_array() || list.empty()) return wrong(place, "a list of schemas is needed");
    Json beside = schema;
    beside.erase(key);
    if (key == "allOf") {
      for (std::size_t i = 0; i < list.size(); ++i) {
        WEFT_TRY(merged, merge_schemas(beside, list[i], place + "/" + std::to_string(i)));
        beside = std::move(merged);
      }
      return this->schema(beside, where);
    }
    if (key == "oneOf") WEFT_TRY_VOID(check_apart(document_, list, place));
    std::vector<NodeId> alternatives;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string at = place + "/" + std::to_string(i);
      WEFT_TRY(merged, merge_schemas(beside, list[i], at));
      WEFT_TRY(each, this->schema(merged, at));
      alternatives.push_back(each);
    }
    return grammar_.choice(std::move(alternatives));
  }

  /// Those named by "type", else those that the keywords speak of; none: any.
  static Result<std::vector<std::string>> types_of(const Json& schema, const std::string& where) {
    std::vector<std::string> types;
    if (schema.contains("type")) {
      const Json& type = schema["type"];
      const Json list = type.is_array() ? type : Json::array({type});
      for (const Json& each : list) {
        if (!each.is_string() || !has(kTypes, each.get_ref<const std::string&>())) {
          return wrong(where,
                       "\"type\" is one of object, array, string, number, integer, boolean, "
                       "null, or a list of these");
        }
        types.push_back(each.get<std::string>());
      }
      if (types.empty()) return wrong(where, "\"type\" names no type");
      return types;
    }
    const auto mentions = [&](const auto& keys) {
      return std::ranges::any_of(keys, [&](const char* key) { return schema.contains(key); });
    };
    if (mentions(kObjectKeys)) types.emplace_back("object");
    if (mentions(kArrayKeys)) types.emplace_back("array");
    if (mentions(kStringKeys)) types.emplace_back("string");
    if (mentions(kNumberKeys)) types.emplace_back("number");
    return types;
  }

  Result<NodeId> values(const Json& schema, const std::vector<std::string>& types,
                        const std::string& where) {
    for (const auto& [key, value] : schema.items()) {
      if (key != "enum" && key != "const" && key != "type" && !is_annotation(key)) {
        return unsupported(
            where, "the keyword \"" + key + "\" beside \"enum\" or \"const\" isn't supported");
      }
    }
    std::vector<NodeId> alternatives;
    const Json list = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
    if (!list.is_array()) return wrong(where, "\"enum\" is a list of values");
    for (const Json& value : list) {
      if (schema.contains("const") && value != schema["const"]) continue;
      if (schema.contains("type") && !std::ranges::any_of(types, [&](const std::string& type) {
            return is_of_type(value, type);
          })) {
        continue;
      }
      alternatives.push_back(text_.literal(value));
    }
    return grammar_.choice(std::move(alternatives));
  }

  Result<NodeId> typed(const Json& schema, const std::string& type, const std::string& where) {
    if (type == "object") return object(schema, where);
    if (type == "array") return array(schema, where);
    if (type == "string") return string_of(schema, {where, limits_}, grammar_, text_);
    if (type == "number" || type == "integer") {
      return number_of(schema, type == "integer", {where, limits_}, text_);
    }
    if (type == "boolean") return grammar_.choice({grammar_.text("true"), grammar_.text("false")});
    return grammar_.text("null");
  }

  struct Member {
    NodeId node;
    bool required;
  };

  Result<NodeId> member(const std::string& name, const Json& schema, const std::string& where) {
    WEFT_TRY(value, this->schema(schema, where));
    return grammar_.sequence({text_.literal(name), text_.colon(), value});
  }

  Result<NodeId> object(const Json& schema, const std::string& where) {
    const Json properties = schema.value("properties", Json::object());
    const Json required = schema.value("required", Json::array());
    const bool is_open = schema.contains("additionalProperties");
    const Json more = schema.value("additionalProperties", Json(true));
    if (!properties.is_object()) return wrong(where, "\"properties\" is an object of schemas");
    if (!required.is_array() ||
        !std::ranges::all_of(required, [](const Json& name) { return name.is_string(); })) {
      return wrong(where, "\"required\" is a list of names");
    }
    if (properties.size() + required.size() > kPropertiesMax) {
      return unsupported(where, "more than " + std::to_string(kPropertiesMax) + " \"properties\"");
    }
    const auto is_required = [&](const std::string& name) {
      return std::ranges::find(required, Json(name)) != required.end();
    };
    std::vector<Member> members;
    std::vector<std::u32string> names;
    for (const auto& [name, value] : properties.items()) {
      WEFT_TRY(node, member(name, value, where + "/properties/" + escaped(name)));
      members.push_back({node, is_required(name)});
      names.push_back(decoded(name));
    }
    for (const Json& each : required) {
      const auto& name = each.get_ref<const std::string&>();
      if (std::ranges::find(names, decoded(name)) != names.end()) continue;
      WEFT_TRY(node, member(name, more, where + "/additionalProperties"));
      members.push_back({node, true});
      names.push_back(decoded(name));
    }
    std::optional<NodeId> extra;
    if ((is_open || properties.empty()) && more != Json(false)) {
      for (const auto& name : names) {
        if (name.size() > kNameCharactersMax) return unsupported(where, "so long a name");
      }
      WEFT_TRY(value, this->schema(more, where + "/additionalProperties"));
      const NodeId key = names.empty() ? text_.string(0, kUnbounded) : text_.string_except(names);
      extra = grammar_.sequence({key, text_.colon(), value});
    }
    const auto required_count = static_cast<std::uint32_t>(
        std::ranges::count_if(members, [](const Member& each) { return each.required; }));
    WEFT_TRY(min, count_of(schema, "minProperties", 0, {where, limits_}));
    WEFT_TRY(max, count_of(schema, "maxProperties", kUnbounded, {where, limits_}));
    // Two of the other members may have the same name, and then count as one.
    const bool one_extra = min == 1 && members.empty() && extra;
    if (min > required_count && !one_extra) {
      return unsupported(where,
                         "\"minProperties\" above the number of \"required\" isn't supported");
    }
    if (max != kUnbounded && (max < members.size() || (extra && !members.empty()))) {
      return unsupported(where,
                         "\"maxProperties\" below what \"properties\" allow isn't supported");
    }
    return braces(members, extra, one_extra, max);
  }

  /// { members } in their order, commas only between those that come.
  NodeId braces(const std::vector<Member>& members, std::optional<NodeId> extra, bool one_extra,
                std::uint32_t max) {
    Grammar& g = grammar_;
    NodeId with = g.empty();     // what may follow a member
    NodeId without = g.empty();  // what may come where none has come so far
    if (extra && max > 0) {
      with = g.repeat(g.sequence({text_.comma(), *extra}), 0, max == kUnbounded ? max : max - 1);
      without = g.sequence({*extra, with});
      if (!one_extra) without = g.optional(without);
    }
    for (auto each = members.rbegin(); each != members.rend(); ++each) {
      const NodeId first = g.sequence({each->node, with});
      without = each->required ? first : g.choice({first, without});
      const NodeId next = g.sequence({text_.comma(), each->node});
      with = g.sequence({each->required ? next : g.optional(next), with});
    }
    return g.sequence({g.text("{"), without, g.text("}")});
  }

  Result<NodeId> array(const Json& schema, const std::string& where) {
    Grammar& g = grammar_;
    const Json prefix = schema.value("prefixItems", Json::array());
    if (!prefix.is_array()) return wrong(where, "\"prefixItems\" is a list of schemas");
    if (schema.contains("uniqueItems") && schema["uniqueItems"] != Json(false)) {
      return unsupported(where, "the keyword \"uniqueItems\" isn't supported");
    }
    WEFT_TRY(min, count_of(schema, "minItems", 0, {where, limits_}));
    WEFT_TRY(max, count_of(schema, "maxItems", kUnbounded, {where, limits_}));
    if (min > max) return g.choice({});
    std::vector<NodeId> first;
    for (std::size_t i = 0; i < prefix.size() && i < max; ++i) {
      WEFT_TRY(each, this->schema(prefix[i], where + "/prefixItems/" + std::to_string(i)));
      first.push_back(each);
    }
    const auto given = static_cast<std::uint32_t>(first.size());
    NodeId rest = g.empty();  // after the first ones
    const bool goes_on = schema.contains("items") || given == 0 || min > given;
    if (goes_on && max > given) {
      WEFT_TRY(item, this->schema(schema.value("items", Json(true)), where + "/items"));
      const std::uint32_t needed = min > given ? min - given : 0;
      const std::uint32_t most = max == kUnbounded ? max : max - given;
      const NodeId next = g.sequence({text_.comma(), item});
      if (given > 0) {
        rest = g.repeat(next, needed, most);
      } else {
        const NodeId more =
            g.repeat(next, needed > 0 ? needed - 1 : 0, most == kUnbounded ? most : most - 1);
        rest = g.sequence({item, more});
        if (needed == 0) rest = g.optional(rest);
      }
    }
    for (std::uint32_t i = given; i-- > 0;) {
      rest = g.sequence({first[i], rest});
      if (i > 0) rest = g.sequence({text_.comma(), rest});
      if (i >= min) rest = g.optional(rest);
    }
    return g.sequence({g.text("["), rest, g.text("]")});
  }

  const Json& document_;
  const GrammarLimits& limits_;
  Grammar grammar_;
  JsonText text_;
  std::map<std::string, RuleId> rules_;  // by pointer
  std::deque<std::pair<std::string, RuleId>> pending_;
  std::size_t depth_ = 0;
};

}  // namespace

Result<Grammar> json_schema_grammar(const Json& schema, const GrammarLimits& limits) {
  try {
    return Reader(schema, limits).read();
  } catch (const Json::exception& error) {  // a string of the schema isn't UTF-8
    return Error{ErrorCode::kInvalidArgument, std::string("JSON Schema: ") + error.what()};
  }
}

Result<Grammar> read_json_schema(std::string_view text, const GrammarLimits& limits) {
  if (text.size() > limits.text_bytes) {
    return Error{ErrorCode::kInvalidArgument,
                 "JSON Schema: more than " + std::to_string(limits.text_bytes) + " bytes"};
  }
  bool is_deep = false;
  const auto within_depth = [&](int depth, Json::parse_event_t, const Json&) {
    // An enum's values may nest below the deepest schema.
    is_deep = is_deep || static_cast<std::size_t>(depth) > 4 * limits.nesting;
    return !is_deep;
  };
  Json schema;
  try {
    schema = Json::parse(text, within_depth);
  } catch (const Json::exception& error) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("JSON Schema: it isn't JSON: ") + error.what()};
  }
  if (is_deep) {
    return Error{ErrorCode::kInvalidArgument, "JSON Schema: values nest too deeply"};
  }
  return json_schema_grammar(schema, limits);
}

}  // namespace weft::inference::grammar
