#pragma once
// Values for a graph that is simulated: of the right type and width, with nothing in them.
// Inside planner only.

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "planner/value.h"

namespace weft::planner {

/// What later nodes will ask of a value.
struct Shape {
  /// Of a list, and of the lists in it: widths to draw from; borrowed. Null or missing: 1.
  std::vector<const std::vector<std::int64_t>*> widths;
  double yes = 0;  // chance of true, of a bool or the bools in it
};

/// For one thread.
class StandIns {
 public:
  /// `given`: values of types by name; borrowed.
  explicit StandIns(const std::map<std::string, Value>& given) : given_(given) {}

  /// Errors: kUnsupported names a type without a value; kResourceExhausted for a list of more than
  /// a million.
  Result<Value> make(const Type& type, const Shape& shape, Random& random, std::size_t level = 0);

 private:
  Result<Value> scalar(const Type& type);

  const std::map<std::string, Value>& given_;
  std::map<const Type*, Value> scalars_;
  std::map<std::pair<const Type*, std::int64_t>, Value> lists_;  // of equal elements
};

}  // namespace weft::planner
