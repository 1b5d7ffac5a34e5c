// Filters of strings and numbers, and the JSON one.

#include "inference/jinja_filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "inference/jinja_strings.h"

namespace weft::inference::jinja {

static constexpr std::int64_t kIndentMax = 64;

static Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

Result<std::int64_t> integer_argument(const Arguments& arguments, std::size_t index,
                                      std::string_view name, std::int64_t fallback) {
  const Value* given = arguments.find(index, name);
  if (given == nullptr || given->is_none()) return fallback;
  if (given->is_integer()) return given->integer();
  return invalid(std::string("'") + std::string(name) + "' must be an integer, not " +
                 given->type_name());
}

bool flag_argument(const Arguments& arguments, std::size_t index, std::string_view name,
                   bool fallback) {
  const Value* given = arguments.find(index, name);
  return given == nullptr ? fallback : given->truthy();
}

Result<const Text*> text_argument(const Arguments& arguments, std::size_t index,
                                  std::string_view name) {
  const Value* given = arguments.find(index, name);
  if (given == nullptr) return invalid(std::string("needs '") + std::string(name) + "'");
  if (given->text() != nullptr) return given->text();
  if (given->is_undefined()) return undefined_error(*given);
  return invalid(std::string("'") + std::string(name) + "' must be a string, not " +
                 given->type_name());
}

template <Case to>
static Result<Value> case_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  WEFT_TRY(text, run.text_of(input));
  return change_case(run, text, to);
}

static Result<Value> trim_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"chars"}));
  WEFT_TRY(text, run.text_of(input));
  return strip(run, text, Ends::kBoth, arguments.find(0, "chars"));
}

static Result<Value> default_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"default_value", "boolean"}));
  const bool falls =
      input.is_undefined() || (flag_argument(arguments, 1, "boolean", false) && !input.truthy());
  if (!falls) return input;
  const Value* fallback = arguments.find(0, "default_value");
  return fallback != nullptr ? *fallback : Value(Text());
}

static Result<Value> replace_filter(Interpreter& run, const Value& input,
                                    const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"old", "new", "count"}));
  WEFT_TRY(text, run.text_of(input));
  WEFT_TRY(from, text_argument(arguments, 0, "old"));
  WEFT_TRY(to, text_argument(arguments, 1, "new"));
  WEFT_TRY(count, integer_argument(arguments, 2, "count", -1));
  return replace(run, text, *from, *to, count);
}

static Result<Value> string_filter(Interpreter& run, const Value& input,
                                   const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  WEFT_TRY(text, run.text_of(input));
  return Value(std::move(text));
}

static std::string_view stripped(const Text& text) {
  const Trimmed kept = trim(text.bytes(), Ends::kBoth);
  return std::string_view(text.bytes()).substr(kept.begin, kept.end - kept.begin);
}

static std::optional<double> parse_real(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

static Result<Value> int_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"default", "base"}));
  const Value* given = arguments.find(0, "default");
  const Value fallback = given != nullptr ? *given : Value(std::int64_t{0});
  WEFT_TRY(base, integer_argument(arguments, 1, "base", 10));
  if (base < 2 || base > 36) return invalid("'base' must be from 2 to 36");
  if (input.is_integer()) return Value(input.integer());
  std::optional<double> real;
  if (const Text* text = input.text()) {
    WEFT_TRY_VOID(run.charge_bytes(text->size()));
    std::string_view digits = stripped(*text);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    std::int64_t value = 0;
    const char* const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value, static_cast<int>(base));
    if (error == std::errc() && end == last && !digits.empty()) return Value(value);
    real = parse_real(digits);
  } else if (input.is<double>()) {
    real = input.number();
  }
  if (!real || !(std::abs(*real) < 9.2e18)) return fallback;
  return Value(static_cast<std::int64_t>(*real));
}

static Result<Value> float_filter(Interpreter& run, const Value& input,
                                  const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"default"}));
  if (input.is_number()) return Value(input.number());
  if (const Text* text = input.text()) {
    WEFT_TRY_VOID(run.charge_bytes(text->size()));
    if (const auto real = parse_real(stripped(*text))) return Value(*real);
  }
  const Value* given = arguments.find(0, "default");
  return given != nullptr ? *given : Value(0.0);
}

static Result<Value> abs_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  if (input.is<double>()) return Value(std::abs(input.number()));
  if (!input.is_integer()) return invalid(std::string("needs a number, not ") + input.type_name());
  if (input.integer() >= 0) return Value(input.integer());
  return binary(run, Op::kSubtract, Value(std::int64_t{0}), input);
}

static Result<Value> round_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"precision", "method"}));
  if (!input.is_number()) return invalid(std::string("needs a number, not ") + input.type_name());
  WEFT_TRY(precision, integer_argument(arguments, 0, "precision", 0));
  if (precision < 0 || precision > 15) return invalid("'precision' must be from 0 to 15");
  const Value* method = arguments.find(1, "method");
  const std::string how =
      method != nullptr && method->text() != nullptr ? method->text()->bytes() : "common";
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.number() * scale;
  if (how == "ceil") return Value(std::ceil(scaled) / scale);
  if (how == "floor") return Value(std::floor(scaled) / scale);
  if (how != "common") return invalid("'method' must be common, ceil or floor");
  return Value(std::nearbyint(scaled) / scale);  // halves to even, as Python's round
}

static Result<Value> tojson_filter(Interpreter& run, const Value& input,
                                   const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = flag_argument(arguments, 0, "ensure_ascii", false);
  WEFT_TRY(width, integer_argument(arguments, 1, "indent", -1));
  if (width > kIndentMax)
    return invalid(std::string("'indent' is larger than ") + std::to_string(kIndentMax));
  style.indent = width;
  style.item_separator = std::string(width >= 0 ? "," : ", ");
  if (const Value* given = arguments.find(2, "separators"); given && !given->is_none()) {
    const List* pair = given->list();
    if (pair == nullptr || pair->items.size() != 2 || !pair->items[0].text() ||
        !pair->items[1].text()) {
      return invalid("'separators' must be two strings");
    }
    style.item_separator = pair->items[0].text()->bytes();
    style.key_separator = pair->items[1].text()->bytes();
  }
  style.sort_keys = flag_argument(arguments, 3, "sort_keys", false);
  style.bytes_max = run.limits().output_bytes_max;
  if (input.is_undefined()) return undefined_error(input);
  WEFT_TRY_VOID(run.charge_walk(input));
  WEFT_TRY(text, to_json(input, style));
  WEFT_TRY_VOID(run.check_size(text.size()));
  WEFT_TRY_VOID(run.charge_bytes(text.size()));
  return Value(std::move(text));
}

static Result<Value> indent_filter(Interpreter& run, const Value& input,
                                   const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"width", "first", "blank"}));
  WEFT_TRY(text, run.text_of(input));
  const Value* width = arguments.find(0, "width");
  Text prefix;
  if (width != nullptr && width->text() != nullptr) {
    prefix = *width->text();
  } else {
    WEFT_TRY(spaces, integer_argument(arguments, 0, "width", 4));
    if (spaces < 0 || spaces > kIndentMax) return invalid("'width' must be from 0 to 64");
    prefix = Text(std::string(static_cast<std::size_t>(spaces), ' '), true);
  }
  return indent(run, text, prefix, flag_argument(arguments, 1, "first", false),
                flag_argument(arguments, 2, "blank", false));
}

FilterFunction find_scalar_filter(std::string_view name) {
  constexpr Filter kFilters[] = {
      {"abs", abs_filter},
      {"capitalize", case_filter<Case::kCapital>},
      {"d", default_filter},
      {"default", default_filter},
      {"float", float_filter},
      {"indent", indent_filter},
      {"int", int_filter},
      {"lower", case_filter<Case::kLower>},
      {"replace", replace_filter},
      {"round", round_filter},
      {"safe", string_filter},
      {"string", string_filter},
      {"title", case_filter<Case::kFilterTitle>},
      {"tojson", tojson_filter},
      {"trim", trim_filter},
      {"upper", case_filter<Case::kUpper>},
  };
  const auto* const found = std::ranges::find(kFilters, name, &Filter::name);
  return found != std::end(kFilters) ? found->apply : nullptr;
}

static FilterFunction find_filter(std::string_view name) {
  const FilterFunction found = find_scalar_filter(name);
  return found != nullptr ? found : find_list_filter(name);
}

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

Result<Value> apply_filter(Interpreter& run, std::string_view name, const Value& input,
                           const Arguments& arguments) {
  const FilterFunction filter = find_filter(name);
  if (filter == nullptr) {
    return Error{ErrorCode::kUnsupported,
                 std::string("there is no filter '") + std::string(name.substr(0, 40)) + "'"};
  }
  WEFT_TRY_VOID(run.charge(1));
  return filter(run, input, arguments);
}

}  // namespace weft::inference::jinja
