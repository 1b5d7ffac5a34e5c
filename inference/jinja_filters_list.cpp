// Filters of lists and dicts.

#include <algorithm>
#include <bit>
#include <charconv>
#include <unordered_set>

#include "inference/jinja_filters.h"
#include "inference/jinja_strings.h"

namespace weft::inference::jinja {

static Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

// "a.b.0" or an index, step by step.
static Result<Value> attribute_path(Interpreter& run, const Value& item, const Value& path) {
  if (path.is_integer()) return run.subscript(item, path);
  if (path.text() == nullptr) return invalid("an attribute must be a string or an integer");
  Value value = item;
  std::string_view rest = path.text()->bytes();
  WEFT_TRY_VOID(run.charge_bytes(rest.size()));
  for (;;) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number = error == std::errc() && end == part.data() + part.size();
    WEFT_TRY_VOID(run.charge(1));
    auto found = run.subscript(value, number ? Value(index) : Value::trusted(std::string(part)));
    if (!found) return std::move(found).error();
    value = *std::move(found);
    if (dot == rest.size()) return value;
    rest.remove_prefix(dot + 1);
  }
}

static Result<Value> length_filter(Interpreter& run, const Value& input,
                                   const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  std::size_t size = 0;
  if (const Text* text = input.text()) {
    WEFT_TRY_VOID(run.charge_bytes(text->size()));
    size = count_code_points(text->bytes());
  } else if (input.list() != nullptr) {
    size = input.list()->items.size();
  } else if (input.dict() != nullptr) {
    size = input.dict()->entries().size();
  } else if (!input.is_undefined()) {
    return invalid(std::string(input.type_name()) + " has no length");
  }
  return Value(static_cast<std::int64_t>(size));
}

static Result<Value> join_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"d", "attribute"}));
  const Value* given = arguments.find(0, "d");
  Text separator;
  if (given != nullptr) {
    WEFT_TRY(text, run.text_of(*given));
    separator = std::move(text);
  }
  WEFT_TRY(items, run.iterate(input));
  const Value* path = arguments.find(1, "attribute");
  if (path == nullptr || path->is_none()) return join(run, *items, separator);
  List parts;
  for (const Value& item : items->items) {
    WEFT_TRY(part, attribute_path(run, item, *path));
    parts.items.push_back(std::move(part));
  }
  return join(run, parts, separator);
}

static Result<Value> first_filter(Interpreter& run, const Value& input,
                                  const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  WEFT_TRY(items, run.iterate(input));
  return items->items.empty() ? Value::undefined("the first of nothing is undefined")
                              : items->items.front();
}

static Result<Value> last_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  WEFT_TRY(items, run.iterate(input));
  return items->items.empty() ? Value::undefined("the last of nothing is undefined")
                              : items->items.back();
}

static Result<Value> list_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  WEFT_TRY(items, run.iterate(input));
  return make_list(items->items);
}

static Result<Value> items_filter(Interpreter& run, const Value& input,
                                  const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  if (input.is_undefined()) return make_list({});
  if (input.dict() == nullptr)
    return invalid(std::string("needs a dict, not ") + input.type_name());
  return call_method(run, input, "items", {});
}

static Result<Value> reverse_filter(Interpreter& run, const Value& input,
                                    const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({}));
  if (input.text() != nullptr) {
    return slice(run, input, None{}, None{}, Value(std::int64_t{-1}));
  }
  WEFT_TRY(items, run.iterate(input));
  return make_list({items->items.rbegin(), items->items.rend()});
}

// What sort, unique, min and max compare: an attribute, without case unless asked.
static Result<std::vector<Value>> sort_keys(Interpreter& run, const std::vector<Value>& items,
                                            const Value* path, bool case_sensitive) {
  std::vector<Value> keys;
  for (const Value& item : items) {
    Value key = item;
    if (path != nullptr && !path->is_none()) {
      WEFT_TRY(found, attribute_path(run, item, *path));
      key = std::move(found);
    }
    if (key.text() != nullptr && !case_sensitive) {
      WEFT_TRY(lower, change_case(run, *key.text(), Case::kLower));
      key = std::move(lower);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

static Result<std::vector<std::size_t>> sorted_order(Interpreter& run,
                                                     const std::vector<Value>& keys, bool reverse) {
  std::size_t weight = 0;
  for (const Value& key : keys) {
    const bool comparable = !keys.empty() && ((key.is_number() && keys[0].is_number()) ||
                                              (key.text() && keys[0].text()));
    if (!comparable) return invalid("only numbers, or only strings, can be sorted");
    weight += key.weight();
  }
  // Merging looks at each key once a round.
  const auto rounds = static_cast<std::size_t>(std::bit_width(keys.size()));
  WEFT_TRY_VOID(run.charge(keys.size() * rounds));
  WEFT_TRY_VOID(run.charge_bytes(weight * rounds));
  std::vector<std::size_t> order(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    const auto less = reverse ? compare(keys[b], keys[a]) : compare(keys[a], keys[b]);
    return less && *less < 0;
  });
  return order;
}

static Result<Value> sort_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"reverse", "case_sensitive", "attribute"}));
  WEFT_TRY(items, run.iterate(input));
  WEFT_TRY(keys, sort_keys(run, items->items, arguments.find(2, "attribute"),
                           flag_argument(arguments, 1, "case_sensitive", false)));
  WEFT_TRY(order, sorted_order(run, keys, flag_argument(arguments, 0, "reverse", false)));
  std::vector<Value> out;
  for (const std::size_t i : order) out.push_back(items->items[i]);
  return make_list(std::move(out));
}

static Result<Value> dictsort_filter(Interpreter& run, const Value& input,
                                     const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"case_sensitive", "by", "reverse"}));
  if (input.dict() == nullptr)
    return invalid(std::string("needs a dict, not ") + input.type_name());
  const Value* by = arguments.find(1, "by");
  const bool by_value = by != nullptr && by->text() != nullptr && by->text()->bytes() == "value";
  WEFT_TRY(pairs, call_method(run, input, "items", {}));
  const Value path(std::int64_t{by_value ? 1 : 0});
  WEFT_TRY(keys, sort_keys(run, pairs.list()->items, &path,
                           flag_argument(arguments, 0, "case_sensitive", false)));
  WEFT_TRY(order, sorted_order(run, keys, flag_argument(arguments, 2, "reverse", false)));
  std::vector<Value> out;
  for (const std::size_t i : order) out.push_back(pairs.list()->items[i]);
  return make_list(std::move(out));
}

static Result<Value> unique_filter(Interpreter& run, const Value& input,
                                   const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"case_sensitive", "attribute"}));
  WEFT_TRY(items, run.iterate(input));
  WEFT_TRY(keys, sort_keys(run, items->items, arguments.find(1, "attribute"),
                           flag_argument(arguments, 0, "case_sensitive", false)));
  std::unordered_set<std::string> seen;
  std::vector<Value> out;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    WEFT_TRY_VOID(run.charge_bytes(keys[i].weight()));
    const auto hashed = hash_key(keys[i]);
    if (!hashed) return invalid(std::string(keys[i].type_name()) + " can't be told apart");
    if (seen.insert(*hashed).second) out.push_back(items->items[i]);
  }
  return make_list(std::move(out));
}

template <bool largest>
static Result<Value> extreme_filter(Interpreter& run, const Value& input,
                                    const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"case_sensitive", "attribute"}));
  WEFT_TRY(items, run.iterate(input));
  if (items->items.empty()) return Value::undefined("the extreme of nothing is undefined");
  WEFT_TRY(keys, sort_keys(run, items->items, arguments.find(1, "attribute"),
                           flag_argument(arguments, 0, "case_sensitive", false)));
  WEFT_TRY(order, sorted_order(run, keys, largest));
  return items->items[order.front()];
}

static Result<Value> sum_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"attribute", "start"}));
  WEFT_TRY(items, run.iterate(input));
  const Value* path = arguments.find(0, "attribute");
  const Value* start = arguments.find(1, "start");
  Value total = start != nullptr ? *start : Value(std::int64_t{0});
  for (const Value& item : items->items) {
    Value part = item;
    if (path != nullptr && !path->is_none()) {
      WEFT_TRY(found, attribute_path(run, item, *path));
      part = std::move(found);
    }
    WEFT_TRY(next, binary(run, Op::kAdd, total, part));
    total = std::move(next);
  }
  return total;
}

// map("filter", arguments...) or map(attribute="name", default=...).
static Result<Value> map_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  WEFT_TRY(items, run.iterate(input));
  const bool by_attribute = arguments.positional.empty();
  const Value* path = arguments.find(SIZE_MAX, "attribute");
  const Value* fallback = arguments.find(SIZE_MAX, "default");
  if (by_attribute) {
    WEFT_TRY_VOID(arguments.check({"attribute", "default"}));
    if (path == nullptr) return invalid("needs a filter's name or 'attribute'");
  } else if (arguments.positional[0].text() == nullptr) {
    return invalid("the filter's name must be a string");
  }
  const Arguments rest = by_attribute ? Arguments{} : arguments.without_first(1);
  std::vector<Value> out;
  for (const Value& item : items->items) {
    auto mapped = by_attribute
                      ? attribute_path(run, item, *path)
                      : apply_filter(run, arguments.positional[0].text()->bytes(), item, rest);
    if (!mapped) return std::move(mapped).error();
    const bool missing = by_attribute && mapped->is_undefined() && fallback != nullptr;
    out.push_back(missing ? *fallback : *std::move(mapped));
  }
  return make_list(std::move(out));
}

// select, reject (of_attribute false), selectattr, rejectattr.
template <bool of_attribute, bool wanted>
static Result<Value> select_filter(Interpreter& run, const Value& input,
                                   const Arguments& arguments) {
  const std::size_t lead = of_attribute ? 1 : 0;
  if (arguments.positional.size() < lead) return invalid("needs an attribute");
  const bool tests = arguments.positional.size() > lead;
  if (tests && arguments.positional[lead].text() == nullptr) {
    return invalid("the test's name must be a string");
  }
  const Arguments rest = arguments.without_first(lead + (tests ? 1 : 0));
  WEFT_TRY(items, run.iterate(input));
  std::vector<Value> out;
  for (const Value& item : items->items) {
    Value subject = item;
    if (of_attribute) {
      WEFT_TRY(found, attribute_path(run, item, arguments.positional[0]));
      subject = std::move(found);
    }
    bool passed = subject.truthy();
    if (tests) {
      WEFT_TRY(result, apply_test(run, arguments.positional[lead].text()->bytes(), subject, rest));
      passed = result;
    }
    if (passed == wanted) out.push_back(item);
  }
  return make_list(std::move(out));
}

FilterFunction find_list_filter(std::string_view name) {
  constexpr Filter kFilters[] = {
      {"count", length_filter},
      {"dictsort", dictsort_filter},
      {"first", first_filter},
      {"items", items_filter},
      {"join", join_filter},
      {"last", last_filter},
      {"length", length_filter},
      {"list", list_filter},
      {"map", map_filter},
      {"max", extreme_filter<true>},
      {"min", extreme_filter<false>},
      {"reject", select_filter<false, false>},
      {"rejectattr", select_filter<true, false>},
      {"reverse", reverse_filter},
      {"select", select_filter<false, true>},
      {"selectattr", select_filter<true, true>},
      {"sort", sort_filter},
      {"sum", sum_filter},
      {"unique", unique_filter},
  };
  const auto* const found = std::ranges::find(kFilters, name, &Filter::name);
  return found != std::end(kFilters) ? found->apply : nullptr;
}

}  // namespace weft::inference::jinja
