#pragma once
// What a program will cost before it runs: the real scheduler runs it many times on a virtual
// clock, each node's code replaced by a wait, a spend and an outcome drawn from what earlier runs
// showed. There is no second model of the scheduler, so budgets, retries, timeouts and priorities
// count as they will.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planner/node_stats.h"
#include "planner/price.h"
#include "planner/program.h"
#include "planner/runtime.h"

namespace weft::planner {

/// What the program will run on.
struct Machine {
  std::array<std::size_t, kLanes> widths{1, 1024, 1};  // as of VirtualExecutor
  std::string model;                                   // of the nodes on the model lane
  /// Of nodes on the model lane whose statistics have no money.
  Price price;
  /// Set, nodes on the model lane that end later take the time that their tokens need in an engine
  /// this fast, together with those that it works on at the same time; else as long as before.
  std::optional<EngineRates> engine;
};

struct ForecastOptions {
  int samples = 1000;  // at least 1
  std::uint64_t seed = 0;
  std::size_t threads = 1;  // for the samples; the result doesn't depend on it
  /// Those that are known: a list tells how wide its maps will be. The others are stood in for.
  Inputs inputs;
  /// Values for types that have no JSON form of null, {}, [], "" or 0, by the type's name.
  std::map<std::string, Value> stand_ins;
  SpendLimit limit;
  std::chrono::nanoseconds timeout{0};  // of the run; 0 = none
  /// Run the code of pure nodes of the CPU lane whose values follow from `inputs` (once for many
  /// samples), so that lists are as wide and prompts as long as they will be. The tokens of such
  /// prompts are then those of Function::prompt, and what calls of about that size have taken.
  bool runs_plain_code = false;
};

/// Of all attempts at a node in a run, its instances in maps and loops together.
struct NodeForecast {
  std::string path;  // without indices
  std::string function;
  /// Else its policy's `expected` and `cost` were taken, and no failure. Code that is run is known.
  bool is_known = false;
  double attempts = 0;  // all means of a run
  double seconds = 0;   // work, of parallel ones the sum
  double prompt_tokens = 0;
  double output_tokens = 0;
  double calls = 0;
  double money_micros = 0;
  /// Its part of the chain of attempts, each starting when the one before ends, that the run's end
  /// waited for: what to make faster.
  double critical_share = 0;
};

struct Forecast {
  int samples = 0;
  /// Of runs that end with a value, or of all if none does.
  Spread seconds;
  Spread prompt_tokens;
  Spread output_tokens;
  Spread calls;
  Spread money_micros;
  /// The chance that a run ends with a value, and its 95 % interval: how many attempts the
  /// statistics are of counts, and the number of samples. Whether the value is right, the error
  /// tags say; see forecast_error().
  double success = 0;
  Interval success_95;
  double success_trials = 0;                     // runs that would leave one as uncertain of it
  std::map<std::string, std::int64_t> failures;  // samples that failed, by their error's code
  std::vector<NodeForecast> nodes;
  /// Paths of nodes, maps, loops and branches that the book knows nothing of.
  std::vector<std::string> unknown;
  /// How many earlier runs calibrate() has set the seconds, or the output tokens, by; 0 = it
  /// hasn't.
  std::int64_t calibrated_by = 0;

  /// Where the share of successes of so many runs lies with 95 %: it has its own noise, too.
  Interval success_of(std::int64_t runs) const;

  std::string json() const;  // one line
  std::string text() const;  // a table for people
};

/// A map of which nothing is known is taken to be 1 wide, a loop to go on to its bound, a branch to
/// take each side half the time. Where nothing failed in a node's attempts, none is taken to fail.
/// Errors: kInvalidArgument for inputs that the program hasn't or that are of another type, and for
/// a limit that one of its nodes alone exceeds; kUnsupported names a type that nothing can stand in
/// for; kResourceExhausted for a list of more than a million elements.
Result<Forecast> forecast(const AnyProgram& program, const StatsBook& book, const Machine& machine,
                          const ForecastOptions& options = {});

}  // namespace weft::planner
