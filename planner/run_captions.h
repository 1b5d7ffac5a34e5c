#pragma once
// What a recorded run did, as captions of its program's picture.

#include <vector>

#include "planner/picture.h"
#include "planner/trace.h"

namespace weft::planner {

/// Of each node that did something: how often it was done, failed or tried again, how long that
/// took together, and the tokens. By path without indices, so that a map's elements are one
/// caption.
Captions run_captions(const std::vector<TraceEvent>& events);

}  // namespace weft::planner
