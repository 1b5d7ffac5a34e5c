#include "planner/nodes/fold.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/random.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;
using Numbers = std::vector<double>;

Value random_list(const Fold& fold, Random& random, std::size_t size) {
  if (fold.list == type_of<Numbers>()) {
    Numbers numbers;
    for (std::size_t i = 0; i < size; ++i) numbers.push_back(random.normal() * 1e3);
    return make_value(std::move(numbers));
  }
  Texts texts;
  for (std::size_t i = 0; i < size; ++i) {
    texts.push_back(Text(random.below(3), static_cast<char>('a' + random.below(3))));
  }
  return make_value(std::move(texts));
}

/// xs ++ ys.
Value both(const Value& xs, const Value& ys) {
  Parts parts = xs.type()->split(xs);
  for (Value& value : ys.type()->split(ys).values) parts.values.push_back(std::move(value));
  return xs.type()->join(parts);
}

nlohmann::json folded(const FunctionPtr& code, std::vector<const Value*> in) {
  Ctx ctx;
  const auto made = code->run(ctx, in);
  return made ? to_json(*made) : nlohmann::json(made.error().message);
}

TEST_CASE("A21: r(r(s, xs), ys) = r(s, xs ++ ys), to the bit, for each fold that there is") {
  Random random(21, 0);
  std::size_t cases = 0;
  for (const Fold& fold : folds()) {
    for (int i = 0; i < 300; ++i) {
      const Value first = random_list(fold, random, 1 + random.below(5));
      const Value xs = random_list(fold, random, random.below(6));
      const Value ys = random_list(fold, random, random.below(6));
      const FunctionPtr make = fold_function(fold, first.type());
      const FunctionPtr go_on = fold_function(fold, first.type(), true);
      Ctx ctx;
      const Value state = make->run(ctx, std::vector<const Value*>{&first}).value();
      const Value one = go_on->run(ctx, std::vector<const Value*>{&state, &xs}).value();
      // A snapshot is its JSON.
      const Value snapshot = from_json(*fold.state, to_json(one)).value();
      const Value all = both(xs, ys);
      const Value whole = both(first, all);
      INFO(fold.name);
      CHECK(folded(go_on, {&snapshot, &ys}) == folded(go_on, {&state, &all}));
      CHECK(folded(go_on, {&snapshot, &ys}) == folded(make, {&whole}));
      ++cases;
    }
  }
  std::cout << "A21: " << folds().size() << " folds, " << cases << " cases of the law of deltas\n";
}

TEST_CASE("folds of known lists, of nothing, and of a name that isn't there") {
  const Value numbers = make_value(Numbers{3, 1, 2});
  const Value none = make_value(Numbers{});
  const Value texts = make_value(Texts{"b", "a", "b"});
  const auto of = [](const char* name, const Value& list) {
    return folded(fold_function(**find_fold(name), list.type()), {&list});
  };
  CHECK(of("sum", numbers) == 6);
  CHECK(of("min", numbers) == 1);
  CHECK(of("max", numbers) == 3);
  CHECK(of("merge", numbers) == nlohmann::json({1, 2, 3}));
  CHECK(of("count", texts) == 3);
  CHECK(of("concat", texts) == "bab");
  CHECK(of("union", texts) == nlohmann::json({"a", "b"}));
  CHECK(of("sum", none) == 0);
  CHECK(of("max", none) == "there is no max of nothing");
  CHECK(find_fold("smu").error().message == "there is no fold smu; did you mean \"sum\"?");
}

}  // namespace
}  // namespace weft::planner
