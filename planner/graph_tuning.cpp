#include "planner/graph_tuning.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "planner/error_model.h"
#include "planner/graph_file_json.h"

namespace weft::planner {
namespace {

using file::Json;

constexpr std::int64_t kValueMax = 1'000'000'000;
constexpr std::size_t kValuesMax = 1000;

Result<std::vector<std::int64_t>> values_of(const Json& json, std::int64_t least,
                                            std::int64_t most) {
  WEFT_TRY(values, file::list(json, "values"));
  std::vector<std::int64_t> found;
  for (const Json& value : *values) {
    const bool fits = value.is_number_integer() && value >= Json(least) && value <= Json(most);
    if (!fits) {
      return file::wrong("\"values\" has to be whole numbers from " + std::to_string(least) +
                         " to " + std::to_string(most));
    }
    found.push_back(value.get<std::int64_t>());
  }
  if (found.empty() || found.size() > kValuesMax) {
    return file::wrong("\"values\" has to have 1 to " + std::to_string(kValuesMax) + " of them");
  }
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

Result<std::optional<Tunable>> tunable(const Json& json, const char* key, std::int64_t least,
                                       std::int64_t most) {
  if (!json.contains(key)) return std::optional<Tunable>();
  const auto read = [&]() -> Result<Tunable> {
    WEFT_TRY_VOID(file::only(json[key], {"node", "option", "values"}));
    WEFT_TRY(node, file::text(json[key], "node"));
    WEFT_TRY(option, file::text(json[key], "option"));
    WEFT_TRY(values, values_of(json[key], least, most));
    return Tunable{std::move(node), std::move(option), std::move(values)};
  }();
  if (!read) return Error(read.error()).with_context("\"" + std::string(key) + "\"");
  return std::optional<Tunable>(*read);
}

/// Visits every node of that name.
template <typename J, typename F>
void each_node(J& json, const std::string& name, const F& visit) {
  if (json.is_object() && json.contains("kind") && json.value("name", Json()) == Json(name)) {
    visit(json);
  }
  if (!json.is_structured()) return;
  for (auto& inside : json) each_node(inside, name, visit);
}

Result<void> set(Json& json, const std::optional<Tunable>& what, std::int64_t value) {
  if (!what) return {};
  bool is_there = false;
  each_node(json, what->node, [&](Json& node) {
    node[what->option] = value;
    is_there = true;
  });
  if (is_there) return {};
  return file::wrong("\"tune\": the graph has no node " + what->node);
}

std::int64_t get(const Json& json, const std::optional<Tunable>& what, std::int64_t usual) {
  std::int64_t value = usual;
  if (!what) return value;
  each_node(json, what->node, [&](const Json& node) {
    if (node.contains(what->option) && node[what->option].is_number_integer()) {
      value = node[what->option].get<std::int64_t>();
    }
  });
  return value;
}

constexpr double kPercent = 100;

double error_of(const Judgements& judged, bool is_distance) {
  if (is_distance) return mean_size_of_normal(judged.error_mean, judged.error_variance());
  const double all = double(judged.with_answer);
  return all > 0 ? (all - double(judged.right)) / all : 0;
}

double weight_of(const Judgements& judged, bool is_distance) {
  return double(is_distance ? judged.errors : judged.with_answer);
}

/// Between the sizes around it, by the logarithm of size; beyond them as at the nearest.
double between(const std::map<std::int64_t, double>& by_size, std::int64_t size) {
  const auto above = by_size.lower_bound(size);
  if (above == by_size.begin()) return above->second;
  if (above == by_size.end()) return std::prev(above)->second;
  const auto below = std::prev(above);
  const double place = std::log(double(size) / double(below->first)) /
                       std::log(double(above->first) / double(below->first));
  return std::lerp(below->second, above->second, place);
}

}  // namespace

SearchSpace GraphTuning::space() const {
  SearchSpace space{.workers = workers};
  if (size) space.sizes = size->values;
  if (overlap) space.overlaps_percent = overlap->values;
  if (votes) space.votes = votes->values;
  return space;
}

Result<GraphTuning> read_tuning(const Json& json) {
  const auto read = [&]() -> Result<GraphTuning> {
    WEFT_TRY_VOID(file::only(json, {"size", "overlap", "votes", "workers", "error"}));
    GraphTuning tuning;
    WEFT_TRY(size, tunable(json, "size", 1, kValueMax));
    WEFT_TRY(overlap, tunable(json, "overlap", 0, 99));
    WEFT_TRY(votes, tunable(json, "votes", 1, kValueMax));
    tuning.size = size;
    tuning.overlap = overlap;
    tuning.votes = votes;
    if (json.contains("workers")) {
      WEFT_TRY_VOID(file::only(json["workers"], {"values"}));
      auto workers = values_of(json["workers"], 1, 256);
      if (!workers) return std::move(workers).error().with_context("\"workers\"");
      tuning.workers = *std::move(workers);
    }
    WEFT_TRY(error, file::text_or(json, "error", "wrong"));
    if (error != "wrong" && error != "distance") {
      return file::wrong("\"error\" is wrong or distance");
    }
    tuning.is_distance = error == "distance";
    return tuning;
  }();
  if (!read) return Error(read.error()).with_context("\"tune\"");
  return read;
}

Result<std::optional<GraphTuning>> graph_tuning(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return file::wrong("a graph's file is a JSON object");
  if (!json.contains("tune")) return std::optional<GraphTuning>();
  WEFT_TRY(tuning, read_tuning(json["tune"]));
  return std::optional<GraphTuning>(tuning);
}

Result<std::string> with_setting(std::string_view text, const GraphTuning& tuning,
                                 const Setting& setting) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return file::wrong("a graph's file is a JSON object");
  WEFT_TRY_VOID(set(json, tuning.size, setting.size));
  WEFT_TRY_VOID(set(json, tuning.overlap,
                    static_cast<std::int64_t>(double(setting.size) *
                                              double(setting.overlap_percent) / kPercent)));
  WEFT_TRY_VOID(set(json, tuning.votes, setting.votes));
  return json.dump();
}

Setting setting_of(std::string_view text, const GraphTuning& tuning) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Setting setting{.size = get(json, tuning.size, 1), .votes = get(json, tuning.votes, 1)};
  const std::int64_t overlap = get(json, tuning.overlap, 0);
  setting.overlap_percent = std::lround(kPercent * double(overlap) / double(setting.size));
  return setting;
}

std::optional<double> judged_error(const StatsBook& book, const GraphTuning& tuning,
                                   const Setting& setting) {
  std::map<std::int64_t, Judgements> same;  // by size: with as many votes
  std::map<std::int64_t, Judgements> one;   // with one
  for (const SettingJudgement& each : book.judgements()) {
    if (each.overlap_percent != setting.overlap_percent) continue;
    if (weight_of(each.judged, tuning.is_distance) == 0) continue;
    if (each.votes == setting.votes) same[each.size] = each.judged;
    if (each.votes == 1) one[each.size] = each.judged;
  }
  const bool is_voted = same.empty() && setting.votes > 1 && !tuning.is_distance;
  const auto& known = is_voted ? one : same;
  if (known.empty()) return std::nullopt;
  // Smaller sub-tasks may well be worse (more of them invent an answer), so no trend is fitted.
  std::map<std::int64_t, double> by_size;
  for (const auto& [size, judged] : known) by_size[size] = error_of(judged, tuning.is_distance);
  const double error = between(by_size, setting.size);
  if (!is_voted) return error;
  const std::int64_t odd =
      setting.votes - (setting.votes % 2 == 0 ? 1 : 0);  // a tie decides nothing
  return 1 - majority_right(odd, 1 - error);
}

}  // namespace weft::planner
