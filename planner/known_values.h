#pragma once
// Which values of a program follow from its inputs by plain code alone, so that a forecast can make
// them instead of guessing: how many parts a text has, what each prompt says. Inside planner only.

#include <vector>

#include "planner/body.h"

namespace weft::planner {

/// By position, see positions().
struct KnownValues {
  std::vector<bool> inputs;  // all that the node reads is known
  std::vector<bool> output;  // and so is its value, which its code makes without calling anything
};

/// `inputs`: which of the program's are given, in its order. Code is plain where it is pure and of
/// the CPU lane.
KnownValues find_known_values(const Body& body, const std::vector<bool>& inputs);

}  // namespace weft::planner
