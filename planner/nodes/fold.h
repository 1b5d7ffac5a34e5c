#pragma once
// Lists into one value, in their order. Each fold keeps the law of deltas, exactly:
// add(add(s, xs), ys) == add(s, xs ++ ys), so that a value that was made earlier can go on with
// what came since, and a snapshot and its tail are as good as a full replay.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/function.h"

namespace weft::planner {

struct Fold {
  std::string name;
  const Type* state = nullptr;
  const Type* list = nullptr;  // what is added; null: any list
  Value start;                 // of an empty list; empty: the list has to have an element
  Value (*add)(const Value& state, const Value& list) = nullptr;
};

/// concat (texts), sum, min, max (numbers), count (of anything), union (texts in order, each once)
/// and merge (numbers in order).
const std::vector<Fold>& folds();
/// Errors: kNotFound lists them.
Result<const Fold*> find_fold(std::string_view name);

/// Code from a list of type `list`, which the fold must take, to its value or, `goes_on`, from an
/// earlier value and the list. Errors when run: kInvalidArgument if there is no element and the
/// fold needs one.
FunctionPtr fold_function(const Fold& fold, const Type* list, bool goes_on = false);

}  // namespace weft::planner
