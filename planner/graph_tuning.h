#pragma once
// What a graph's file says may be tuned ("tune"): which options of which nodes are the size of a
// sub-task, its overlap and the number of votes, and the values worth trying.
//
//   "tune": {"size": {"node": "parts", "option": "bytes_max", "values": [500, 1000, 2000]},
//            "overlap": {"node": "parts", "option": "overlap", "values": [0, 25]},
//            "votes": {"node": "answer", "option": "samples", "values": [1, 3]},
//            "workers": {"values": [1, 2]}, "error": "wrong"}

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/tune.h"

namespace weft::planner {

/// An option of the nodes of that name, wherever in the graph they are.
struct Tunable {
  std::string node;
  std::string option;
  std::vector<std::int64_t> values;  // rising; of an overlap, percent of the size
};

struct GraphTuning {
  std::optional<Tunable> size;
  std::optional<Tunable> overlap;
  std::optional<Tunable> votes;
  std::vector<std::int64_t> workers{1};  // threads for plain code and tools, as `--workers`
  /// What is to be small: the share of wrong answers, or the mean distance of a number from the
  /// right one.
  bool is_distance = false;

  SearchSpace space() const;
};

/// Of a graph's file; nothing where it has no "tune". Errors: kInvalidArgument says what is wrong
/// in it.
Result<std::optional<GraphTuning>> graph_tuning(std::string_view file);
/// The member "tune" itself, checked.
Result<GraphTuning> read_tuning(const nlohmann::json& json);

/// The file with the setting's values in its nodes. Errors: kInvalidArgument if it isn't JSON, or
/// has no node of a tunable's name.
Result<std::string> with_setting(std::string_view file, const GraphTuning& tuning,
                                 const Setting& setting);
/// The setting that the file itself has; 1, 0 %, 1 where it says nothing.
Setting setting_of(std::string_view file, const GraphTuning& tuning);

/// What judged runs say of a setting's error: of runs with the same one, else between the sizes
/// around it; of votes that weren't judged, what a majority makes of one. Nothing where no run of
/// that overlap was judged.
std::optional<double> judged_error(const StatsBook& book, const GraphTuning& tuning,
                                   const Setting& setting);

}  // namespace weft::planner
