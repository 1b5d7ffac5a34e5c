#pragma once
// The file where statistics of runs are kept: a book for each graph, in SQLite, so that runs at the
// same time add to one another's and a crash loses at most one run's.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "planner/node_stats.h"
#include "storage/database.h"

namespace weft::planner {

/// Which graph statistics are of: a hash of its file without what says nothing of what its nodes do
/// ("about", budgets) and what may change between runs of one graph (the options in "tune"). Of
/// text that is no JSON object, of the text.
std::string stats_scope(std::string_view graph_file);

/// Of engines, on whatever graph.
inline constexpr std::string_view kMachineScope = "machine";

/// For one thread; several processes may have the file open.
class StatsStore {
 public:
  static constexpr int kBooksKept = 256;

  /// Errors: kNotFound if it isn't there and shall not be made; kCorrupt; kUnsupported if a newer
  /// program made it; kIo.
  static Result<StatsStore> open(const std::filesystem::path& path, bool create);

  /// Empty if nothing is known.
  Result<StatsBook> book(std::string_view scope);
  /// Adds what runs have shown, in one transaction. Of the graphs, the latest kBooksKept are kept.
  Result<void> add(std::string_view scope, const StatsBook& seen);

 private:
  explicit StatsStore(storage::Database database) : database_(std::move(database)) {}

  storage::Database database_;
};

}  // namespace weft::planner
