#include "planner/nodes/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "planner/json_value.h"
#include "tools/json_text.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;
using Json = nlohmann::json;

constexpr std::string_view kBlanks = " \t\r\n\f\v";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool begins_character(std::string_view text, std::size_t at) {
  return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U;
}

/// `at`, or the beginning of the character that it is inside of; broken UTF-8 may have none near.
std::size_t character_begin(std::string_view text, std::size_t at) {
  for (std::size_t back = 0; back <= 3 && back <= at; ++back) {
    if (begins_character(text, at - back)) return at - back;
  }
  return at;
}

/// Where a block that begins at `begin` ends.
std::size_t block_end(std::string_view text, std::size_t begin, std::size_t bytes_max) {
  if (text.size() - begin <= bytes_max) return text.size();
  const std::string_view block = text.substr(begin, bytes_max);
  const std::size_t least = bytes_max - bytes_max / 4;
  for (const std::string_view end : {"\n\n", "\n", " "}) {
    const std::size_t found = block.rfind(end);
    if (found != std::string_view::npos && found + end.size() >= least) {
      return begin + found + end.size();
    }
  }
  return character_begin(text, begin + bytes_max);
}

bool is_digit(std::string_view text, std::size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

/// The number that begins at `at`, its sign included; `at` moves behind it.
std::optional<double> read_number(std::string_view text, std::size_t& at) {
  Text digits;
  if (at > 0 && text[at - 1] == '-' &&
      (at < 2 || !std::isalnum(static_cast<unsigned char>(text[at - 2])))) {
    digits = "-";
  }
  bool has_point = false;
  for (; at < text.size(); ++at) {
    if (is_digit(text, at)) {
      digits += text[at];
    } else if (text[at] == '.' && !has_point && is_digit(text, at + 1)) {
      has_point = true;
      digits += '.';
    } else if (text[at] == ',' && !has_point && is_digit(text, at + 1) && is_digit(text, at + 2) &&
               is_digit(text, at + 3) && !is_digit(text, at + 4)) {
      continue;  // between thousands
    } else {
      break;
    }
  }
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (read.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

FunctionPtr any_function(std::vector<const Type*> inputs, const Type* output,
                         std::function<Result<Value>(Ctx&, Arguments)> run) {
  auto made = std::make_shared<Function>();
  made->inputs = std::move(inputs);
  made->output = output;
  made->run = std::move(run);
  return made;
}

}  // namespace

Texts split_lines(std::string_view text) {
  Texts lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!trimmed(line).empty()) lines.emplace_back(line);
    begin = end + 1;
  }
  return lines;
}

Result<Texts> split_blocks(std::string_view text, const BlockOptions& options) {
  if (options.bytes_max < 4 || options.overlap >= options.bytes_max / 2) {
    return Error{ErrorCode::kInvalidArgument,
                 "a block needs 4 bytes or more, and an overlap of less than half of them"};
  }
  Texts blocks;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = block_end(text, begin, options.bytes_max);
    blocks.emplace_back(text.substr(begin, end - begin));
    if (end == text.size()) break;
    // A quarter of a block is new, or, of broken UTF-8, a byte.
    begin = std::max(begin + 1, character_begin(text, end - options.overlap));
  }
  return blocks;
}

Text join(const Texts& texts, std::string_view separator) {
  Text all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) all += separator;
    all += texts[i];
  }
  return all;
}

Result<double> parse_number(std::string_view text, Which which) {
  std::optional<double> found;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text, at)) {
      ++at;
      continue;
    }
    const auto number = read_number(text, at);
    if (number) found = number;
    if (found && which == Which::kFirst) break;
  }
  if (found) return *found;
  return Error{ErrorCode::kInvalidArgument, "there is no number in " + tools::shown(Json(text))};
}

Text normalised(std::string_view text) {
  text = trimmed(text);
  while (text.ends_with('.')) text.remove_suffix(1);
  Text made(trimmed(text));
  std::transform(made.begin(), made.end(), made.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return made;
}

FunctionPtr join_function(Text separator) {
  return make_function<Texts>([separator = std::move(separator)](Ctx&, const Texts& texts) {
    return join(texts, separator);
  });
}

FunctionPtr concat_function(Text separator, std::size_t inputs) {
  return make_gather_function<Text>(
      [separator = std::move(separator)](Ctx&, const Texts& texts) {
        return join(texts, separator);
      },
      inputs);
}

FunctionPtr list_function(std::size_t inputs) {
  return make_gather_function<Text>([](Ctx&, const Texts& texts) { return texts; }, inputs);
}

FunctionPtr format_function(PromptTemplate format) {
  const std::size_t inputs = format.names().size();
  return make_gather_function<Text>(
      [format = std::move(format)](Ctx&, const Texts& texts) -> Result<Text> {
        WEFT_TRY(made,
                 format.render_in_order(std::vector<std::string_view>(texts.begin(), texts.end())));
        return std::move(made.text);
      },
      inputs);
}

FunctionPtr count_function(const Type* list) {
  return any_function({list}, type_of<std::int64_t>(), [](Ctx&, Arguments in) -> Result<Value> {
    const Value& value = *in[0];
    return make_value(static_cast<std::int64_t>(value.type()->split(value).values.size()));
  });
}

FunctionPtr show_function(const Type* type) {
  return any_function({type}, type_of<Text>(), [](Ctx&, Arguments in) -> Result<Value> {
    const Json json = to_json(*in[0]);
    if (json.is_string()) return make_value(json.get<Text>());
    return make_value(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  });
}

Result<FunctionPtr> pick_function(std::string_view pointer, const Type* type) {
  Json::json_pointer path;
  try {
    path = Json::json_pointer(Text(pointer));
  } catch (const Json::exception&) {
    return Error{ErrorCode::kInvalidArgument, "\"" + Text(pointer) +
                                                  "\" is no JSON pointer: it is empty, or begins "
                                                  "with /, such as \"/items/0/name\""};
  }
  return any_function({type_of<Json>()}, type, [path, type](Ctx&, Arguments in) -> Result<Value> {
    const Json& json = in[0]->as<Json>();
    // contains() and at() throw for "/x" in an array.
    try {
      if (json.contains(path)) return from_json(*type, json.at(path));
    } catch (const Json::exception&) {
    }
    return Error{ErrorCode::kNotFound,
                 "there is no " + path.to_string() + " in " + tools::shown(json)};
  });
}

}  // namespace weft::planner
