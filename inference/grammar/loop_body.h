#pragma once
// The deterministic automaton of an expression, if it has one that ends where it accepts and is
// small: what a loop can repeat. Source: Rabin and Scott 1959 (subset construction). Private to
// inference.

#include <memory>

#include "inference/grammar/automaton.h"
#include "inference/grammar/grammar.h"

namespace weft::inference::grammar {

/// Null if `body` calls rules, accepts the empty text or nothing, accepts a prefix of a text that
/// it accepts too, or is large.
std::shared_ptr<const LoopBody> loop_body(const Grammar& grammar, NodeId body);

}  // namespace weft::inference::grammar
