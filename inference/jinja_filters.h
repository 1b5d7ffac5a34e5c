#pragma once
// What the files of filters share.

#include <string_view>

#include "inference/jinja_eval.h"

namespace weft::inference::jinja {

using FilterFunction = Result<Value> (*)(Interpreter&, const Value&, const Arguments&);

struct Filter {
  std::string_view name;
  FilterFunction apply;
};

/// Null if this file has none of that name.
FilterFunction find_scalar_filter(std::string_view name);  // jinja_filters.cpp
FilterFunction find_list_filter(std::string_view name);    // jinja_filters_list.cpp

/// Argument `index` or `name` as an integer; `fallback` if it isn't given or none.
Result<std::int64_t> integer_argument(const Arguments& arguments, std::size_t index,
                                      std::string_view name, std::int64_t fallback);
bool flag_argument(const Arguments& arguments, std::size_t index, std::string_view name,
                   bool fallback);
/// A string, which must be given.
Result<const Text*> text_argument(const Arguments& arguments, std::size_t index,
                                  std::string_view name);

}  // namespace weft::inference::jinja
