// The tests behind "is".

#include <algorithm>

#include "inference/jinja_eval.h"
#include "inference/jinja_strings.h"

namespace weft::inference::jinja {

namespace {

enum class Test : std::uint8_t {
  kBoolean,
  kCallable,
  kDefined,
  kDivisibleBy,
  kEqual,
  kEven,
  kFalse,
  kFloat,
  kGreaterEqual,
  kGreater,
  kIn,
  kInteger,
  kIterable,
  kLessEqual,
  kLower,
  kLess,
  kMapping,
  kNotEqual,
  kNone,
  kNumber,
  kOdd,
  kSameAs,
  kSequence,
  kString,
  kTrue,
  kUndefined,
  kUpper,
};

struct Entry {
  std::string_view name;
  Test test;
  bool unary;
};

constexpr Entry kTests[] = {
    {"!=", Test::kNotEqual, false},
    {"<", Test::kLess, false},
    {"<=", Test::kLessEqual, false},
    {"==", Test::kEqual, false},
    {">", Test::kGreater, false},
    {">=", Test::kGreaterEqual, false},
    {"boolean", Test::kBoolean, true},
    {"callable", Test::kCallable, true},
    {"defined", Test::kDefined, true},
    {"divisibleby", Test::kDivisibleBy, false},
    {"eq", Test::kEqual, false},
    {"equalto", Test::kEqual, false},
    {"even", Test::kEven, true},
    {"false", Test::kFalse, true},
    {"float", Test::kFloat, true},
    {"ge", Test::kGreaterEqual, false},
    {"greaterthan", Test::kGreater, false},
    {"gt", Test::kGreater, false},
    {"in", Test::kIn, false},
    {"integer", Test::kInteger, true},
    {"iterable", Test::kIterable, true},
    {"le", Test::kLessEqual, false},
    {"lessthan", Test::kLess, false},
    {"lower", Test::kLower, true},
    {"lt", Test::kLess, false},
    {"mapping", Test::kMapping, true},
    {"ne", Test::kNotEqual, false},
    {"none", Test::kNone, true},
    {"number", Test::kNumber, true},
    {"odd", Test::kOdd, true},
    {"sameas", Test::kSameAs, false},
    {"sequence", Test::kSequence, true},
    {"string", Test::kString, true},
    {"true", Test::kTrue, true},
    {"undefined", Test::kUndefined, true},
    {"upper", Test::kUpper, true},
};

const Entry* find_test(std::string_view name) {
  const auto* const found = std::ranges::find(kTests, name, &Entry::name);
  return found != std::end(kTests) ? found : nullptr;
}

Result<std::int64_t> remainder(const Value& value, std::int64_t divisor) {
  if (value.is_undefined()) return undefined_error(value);
  if (!value.is_integer() || divisor == 0) {
    return Error{ErrorCode::kInvalidArgument, "needs integers, and no division by zero"};
  }
  return divisor == -1 ? 0 : value.integer() % divisor;
}

Result<bool> unary_test(Interpreter& run, Test test, const Value& value) {
  switch (test) {
    case Test::kDefined:
      return !value.is_undefined();
    case Test::kUndefined:
      return value.is_undefined();
    case Test::kNone:
      return value.is_none();
    case Test::kBoolean:
      return value.is<bool>();
    case Test::kTrue:
      return value.is<bool>() && value.truthy();
    case Test::kFalse:
      return value.is<bool>() && !value.truthy();
    case Test::kInteger:
      return value.is<std::int64_t>();
    case Test::kFloat:
      return value.is<double>();
    case Test::kNumber:
      return value.is_number();
    case Test::kString:
      return value.text() != nullptr;
    case Test::kMapping:
      return value.dict() != nullptr;
    case Test::kIterable:
    case Test::kSequence:
      return value.text() || value.list() || value.dict() || value.is_undefined();
    case Test::kCallable:
      return value.callable() != nullptr;
    case Test::kOdd:
    case Test::kEven: {
      WEFT_TRY(rest, remainder(value, 2));
      return (rest != 0) == (test == Test::kOdd);
    }
    default: {  // lower, upper: has letters, all of that case
      WEFT_TRY(text, run.text_of(value));
      const Case wanted = test == Test::kLower ? Case::kLower : Case::kUpper;
      const Case other = test == Test::kLower ? Case::kUpper : Case::kLower;
      WEFT_TRY(same, change_case(run, text, wanted));
      WEFT_TRY(changed, change_case(run, text, other));
      return same.text()->bytes() == text.bytes() && changed.text()->bytes() != text.bytes();
    }
  }
}

Result<bool> ordered_test(Interpreter& run, Test test, const Value& a, const Value& b) {
  if (a.is_undefined() || b.is_undefined()) return undefined_error(a.is_undefined() ? a : b);
  WEFT_TRY_VOID(run.charge_bytes(std::min(a.weight(), b.weight())));
  WEFT_TRY(order, compare(a, b));
  if (test == Test::kLess) return order < 0;
  if (test == Test::kLessEqual) return order <= 0;
  if (test == Test::kGreater) return order > 0;
  return order >= 0;
}

}  // namespace

bool is_test(std::string_view name) { return find_test(name) != nullptr; }

bool is_unary_test(std::string_view name) {
  const Entry* found = find_test(name);
  return found != nullptr && found->unary;
}

Result<bool> apply_test(Interpreter& run, std::string_view name, const Value& input,
                        const Arguments& arguments) {
  const Entry* entry = find_test(name);
  if (entry == nullptr) {
    return Error{ErrorCode::kUnsupported,
                 std::string("there is no test '") + std::string(name.substr(0, 40)) + "'"};
  }
  WEFT_TRY_VOID(run.charge(1));
  if (arguments.positional.size() != (entry->unary ? 0U : 1U) || !arguments.keywords.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 entry->unary ? "takes no argument" : "takes one argument"};
  }
  if (entry->unary) return unary_test(run, entry->test, input);
  const Value& other = arguments.positional[0];
  switch (entry->test) {
    case Test::kEqual:
      return run.equals(input, other);
    case Test::kNotEqual: {
      WEFT_TRY(same, run.equals(input, other));
      return !same;
    }
    case Test::kIn:
      return run.contains(other, input);
    case Test::kSameAs:  // identity: told by type and value, as nothing can be changed
      if (input.storage().index() != other.storage().index()) return false;
      return run.equals(input, other);
    case Test::kDivisibleBy: {
      if (!other.is_integer()) {
        return Error{ErrorCode::kInvalidArgument, "needs an integer"};
      }
      WEFT_TRY(rest, remainder(input, other.integer()));
      return rest == 0;
    }
    default:
      return ordered_test(run, entry->test, input, other);
  }
}

}  // namespace weft::inference::jinja
