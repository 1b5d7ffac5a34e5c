#include "planner/nodes/fold.h"

#include <algorithm>
#include <iterator>

#include "base/nearest.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;
using Numbers = std::vector<double>;

/// A fold that adds one element after the other, so that where a list is cut makes no difference:
/// not to the last bit of a sum either.
template <typename S, typename X, S (*kStep)(S, const X&)>
Value stepwise(const Value& state, const Value& list) {
  S value = state.as<S>();
  for (const X& item : list.as<std::vector<X>>()) value = kStep(std::move(value), item);
  return make_value(std::move(value));
}

Text append(Text all, const Text& more) { return all += more; }
double plus(double sum, const double& more) { return sum + more; }
double least(double so_far, const double& other) { return std::min(so_far, other); }
double most(double so_far, const double& other) { return std::max(so_far, other); }

Value count(const Value& state, const Value& list) {
  return make_value(state.as<std::int64_t>() +
                    static_cast<std::int64_t>(list.type()->split(list).values.size()));
}

Value unite(const Value& state, const Value& list) {
  Texts all = state.as<Texts>();
  const Texts& more = list.as<Texts>();
  all.insert(all.end(), more.begin(), more.end());
  std::ranges::sort(all);
  const auto same = std::ranges::unique(all);
  all.erase(same.begin(), same.end());
  return make_value(std::move(all));
}

Value merge(const Value& state, const Value& list) {
  Numbers before = state.as<Numbers>();
  Numbers more = list.as<Numbers>();
  std::ranges::sort(before);
  std::ranges::sort(more);
  Numbers all;
  std::ranges::merge(before, more, std::back_inserter(all));
  return make_value(std::move(all));
}

/// Of a fold without a start: the first element is one, and the others are added.
Result<Value> without_start(const Fold& fold, const Value& list) {
  Parts parts = list.type()->split(list);
  if (parts.values.empty()) {
    return Error{ErrorCode::kInvalidArgument, "there is no " + fold.name + " of nothing"};
  }
  const Value first = parts.values.front();
  parts.values.erase(parts.values.begin());
  return fold.add(first, list.type()->join(parts));
}

}  // namespace

const std::vector<Fold>& folds() {
  static const Type* const number = type_of<double>();
  static const Type* const numbers = type_of<Numbers>();
  static const std::vector<Fold> all = {
      {"concat", type_of<Text>(), type_of<Texts>(), make_value(Text()),
       stepwise<Text, Text, append>},
      {"sum", number, numbers, make_value(0.0), stepwise<double, double, plus>},
      {"count", type_of<std::int64_t>(), nullptr, make_value(std::int64_t{0}), count},
      {"min", number, numbers, Value(), stepwise<double, double, least>},
      {"max", number, numbers, Value(), stepwise<double, double, most>},
      {"union", type_of<Texts>(), type_of<Texts>(), make_value(Texts()), unite},
      {"merge", numbers, numbers, make_value(Numbers()), merge},
  };
  return all;
}

Result<const Fold*> find_fold(std::string_view name) {
  std::vector<std::string> names;
  for (const Fold& fold : folds()) {
    if (fold.name == name) return &fold;
    names.push_back(fold.name);
  }
  const std::string hint = did_you_mean(name, names);
  std::string all;
  for (const std::string& each : names) all += (all.empty() ? "; there is: " : ", ") + each;
  return Error{ErrorCode::kNotFound,
               "there is no fold " + std::string(name) + (hint.empty() ? all : hint)};
}

FunctionPtr fold_function(const Fold& fold, const Type* list, bool goes_on) {
  auto made = std::make_shared<Function>();
  if (goes_on) made->inputs.push_back(fold.state);
  made->inputs.push_back(list);
  made->output = fold.state;
  made->run = [fold, goes_on](Ctx&, Arguments in) -> Result<Value> {
    if (goes_on) return fold.add(*in[0], *in[1]);
    if (!fold.start) return without_start(fold, *in[0]);
    return fold.add(fold.start, *in[0]);
  };
  return made;
}

}  // namespace weft::planner
