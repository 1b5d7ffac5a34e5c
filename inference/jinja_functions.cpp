// The functions a template may call by name.

#include <algorithm>
#include <array>

#include "inference/jinja_eval.h"
#include "inference/jinja_filters.h"

namespace weft::inference::jinja {

static constexpr std::int64_t kRangeMax = 100'000;  // as Jinja2's sandbox

static Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

static Result<Value> range_function(Interpreter& run, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"start", "stop", "step"}));
  if (arguments.positional.empty() || !arguments.keywords.empty()) {
    return invalid("needs one to three integers");
  }
  const bool only_stop = arguments.positional.size() == 1;
  WEFT_TRY(first, integer_argument(arguments, 0, "start", 0));
  WEFT_TRY(second, integer_argument(arguments, 1, "stop", 0));
  WEFT_TRY(step, integer_argument(arguments, 2, "step", 1));
  const std::int64_t start = only_stop ? 0 : first;
  const std::int64_t stop = only_stop ? first : second;
  if (step == 0) return invalid("the step can't be 0");
  std::vector<Value> out;
  for (std::int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (out.size() >= static_cast<std::size_t>(kRangeMax)) {
      return Error{ErrorCode::kResourceExhausted,
                   "range size limit of " + std::to_string(kRangeMax) + " reached"};
    }
    WEFT_TRY_VOID(run.charge(1));
    out.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return make_list(std::move(out));
}

// dict(a=1) and namespace(a=1), each also from a dict.
static Result<Dict> dict_of(Interpreter& run, const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1) return invalid("takes one dict and named values");
  if (!arguments.positional.empty()) {
    const Dict* given = arguments.positional[0].dict();
    if (given == nullptr) {
      return invalid(std::string("takes a dict, not ") + arguments.positional[0].type_name());
    }
    WEFT_TRY_VOID(run.charge(given->entries().size()));
    dict = *given;
  }
  for (const auto& [name, value] : arguments.keywords) dict.set(Value::trusted(name), value);
  return dict;
}

struct Calendar {
  std::int64_t year, month, day, hour, minute, second, weekday, year_day;  // Sunday is 0
};

// Howard Hinnant, "chrono-compatible low-level date algorithms": civil_from_days.
static Calendar calendar_at(std::int64_t unix_time_s) {
  constexpr std::int64_t kDay = 86400;
  std::int64_t second = unix_time_s % kDay;
  if (second < 0) second += kDay;
  const std::int64_t days = (unix_time_s - second) / kDay;
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t march_day =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * march_day + 2) / 153;
  Calendar out{};
  out.day = march_day - (153 * march_month + 2) / 5 + 1;
  out.month = march_month < 10 ? march_month + 3 : march_month - 9;
  out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
  out.hour = second / 3600;
  out.minute = second / 60 % 60;
  out.second = second % 60;
  out.weekday = ((days + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
  constexpr std::array<std::int64_t, 12> kBefore = {0,   31,  59,  90,  120, 151,
                                                    181, 212, 243, 273, 304, 334};
  const bool leap = (out.year % 4 == 0 && out.year % 100 != 0) || out.year % 400 == 0;
  out.year_day =
      kBefore[static_cast<std::size_t>(out.month - 1)] + out.day + (leap && out.month > 2 ? 1 : 0);
  return out;
}

static std::string padded(std::int64_t value, std::size_t width, char fill = '0') {
  std::string digits = std::to_string(value);
  return digits.size() < width ? std::string(width - digits.size(), fill) + digits : digits;
}

static Result<std::string> format_field(const Calendar& at, char field) {
  constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
  constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                "Thursday", "Friday", "Saturday"};
  const std::string month = kMonths[static_cast<std::size_t>(at.month - 1)];
  const std::string weekday = kDays[static_cast<std::size_t>(at.weekday)];
  const std::int64_t hour12 = at.hour % 12 == 0 ? 12 : at.hour % 12;
  switch (field) {
    case 'Y':
      return std::to_string(at.year);
    case 'y':
      return padded(at.year % 100, 2);
    case 'm':
      return padded(at.month, 2);
    case 'd':
      return padded(at.day, 2);
    case 'e':
      return padded(at.day, 2, ' ');
    case 'H':
      return padded(at.hour, 2);
    case 'I':
      return padded(hour12, 2);
    case 'M':
      return padded(at.minute, 2);
    case 'S':
      return padded(at.second, 2);
    case 'j':
      return padded(at.year_day, 3);
    case 'B':
      return month;
    case 'b':
      return month.substr(0, 3);
    case 'A':
      return weekday;
    case 'a':
      return weekday.substr(0, 3);
    case 'p':
      return std::string(at.hour < 12 ? "AM" : "PM");
    case 'F':
      return std::to_string(at.year) + "-" + padded(at.month, 2) + "-" + padded(at.day, 2);
    case 'T':
      return padded(at.hour, 2) + ":" + padded(at.minute, 2) + ":" + padded(at.second, 2);
    case '%':
      return std::string("%");
    default:
      return Error{ErrorCode::kUnsupported,
                   std::string("the date field '%") + field + "' isn't read"};
  }
}

static Result<Value> strftime_now(Interpreter& run, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"format"}));
  WEFT_TRY(format, text_argument(arguments, 0, "format"));
  // The years from 1 to 9999, as Python's datetime.
  const std::int64_t now =
      std::clamp<std::int64_t>(run.unix_time_s(), -62'135'596'800, 253'402'300'799);
  const Calendar at = calendar_at(now);
  const std::string& pattern = format->bytes();
  WEFT_TRY_VOID(run.charge_bytes(10 * pattern.size()));
  Text out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%' && i + 1 < pattern.size()) {
      WEFT_TRY(field, format_field(at, pattern[++i]));
      out.append(field, format->trusted_at(i));
    } else {
      out.append(std::string_view(pattern).substr(i, 1), format->trusted_at(i));
    }
  }
  WEFT_TRY_VOID(run.check_size(out.size()));
  return Value(std::move(out));
}

bool is_function(std::string_view name) {
  constexpr std::string_view kNames[] = {"dict", "namespace", "raise_exception", "range",
                                         "strftime_now"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

Result<Value> call_function(Interpreter& run, std::string_view name, const Arguments& arguments) {
  WEFT_TRY_VOID(run.charge(1));
  if (name == "range") return range_function(run, arguments);
  if (name == "strftime_now") return strftime_now(run, arguments);
  if (name == "raise_exception") {
    WEFT_TRY_VOID(arguments.check({"message"}));
    const Value* message = arguments.find(0, "message");
    WEFT_TRY(text, run.text_of(message != nullptr ? *message : Value()));
    return invalid(text.bytes().substr(0, 1000));
  }
  WEFT_TRY(dict, dict_of(run, arguments));
  if (name == "dict") return make_dict(std::move(dict));
  Namespace& space = run.make_namespace();
  space.values = std::move(dict);
  return Value(&space);
}

}  // namespace weft::inference::jinja
