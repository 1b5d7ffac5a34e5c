#pragma once
// How a node is run: where, how often, for how long, and what it may cost.

#include <chrono>

#include "base/scope.h"
#include "planner/error_tag.h"

namespace weft::planner {

/// What a retry, or a replay after a crash, may do again.
enum class Effect { kPure, kIdempotent, kOnce };

/// Work that computes, work that waits, and the engine's.
enum class LaneKind { kCpu, kIo, kModel };
inline constexpr std::size_t kLanes = 3;

struct Policy {
  int attempts = 1;                     // at most; of a node that is kOnce, 1
  std::chrono::nanoseconds backoff{0};  // before attempt i + 1: backoff 2^(i-1), +-25 %
  std::chrono::nanoseconds timeout{0};  // of an attempt; 0 = none
  Effect effect = Effect::kPure;
  LaneKind lane = LaneKind::kCpu;
  /// The most that an attempt spends: set aside before it starts. What it reports with Ctx::spend()
  /// is charged, all of it if it reports nothing, and the rest refunded.
  Spend cost;
  std::chrono::nanoseconds expected{0};  // duration; the longest path goes first
  int version = 1;                       // of its code: another one, another program hash
  bool recompute = false;  // its value isn't kept in a trace: pure and cheap, it is made again
  ErrorTag error;          // how its result may be wrong

  friend bool operator==(const Policy&, const Policy&) = default;
};

}  // namespace weft::planner
