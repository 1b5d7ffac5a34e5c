// The statistics as text and back. A file may come from anywhere: each number is checked.

#include <cmath>
#include <nlohmann/json.hpp>

#include "planner/node_stats.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;

Json sample_json(const AttemptSample& s) {
  return {s.seconds, s.prompt_tokens, s.cached_tokens, s.output_tokens, s.calls, s.money_micros};
}
Json sample_json(std::int64_t count) { return count; }

template <typename T>
Json reservoir_json(const Reservoir<T>& reservoir) {
  Json items = Json::array();
  for (const T& item : reservoir.items()) items.push_back(sample_json(item));
  return {{"seen", reservoir.seen()}, {"items", std::move(items)}};
}

Json judged_json(const Judgements& j) {
  return {
      {"with_answer", j.with_answer},    {"right", j.right},   {"without_answer", j.without_answer},
      {"false_alarms", j.false_alarms},  {"errors", j.errors}, {"error_mean", j.error_mean},
      {"error_squares", j.error_squares}};
}

Error wrong(const std::string& why) { return Error{ErrorCode::kInvalidArgument, why}; }

/// Reads members of an object; what is wrong first is kept.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {
    if (!json.is_object()) fail("an object is expected");
  }

  void count(const char* key, std::int64_t& into) {
    const Json* value = member(key);
    if (value == nullptr) return;
    if (!value->is_number_integer() || *value < 0) {
      return fail(std::string(key) + " isn't a whole number from 0");
    }
    into = value->get<std::int64_t>();
  }
  void number(const char* key, double& into) {
    const Json* value = member(key);
    if (value == nullptr) return;
    if (!value->is_number()) return fail(std::string(key) + " isn't a number");
    into = value->get<double>();
  }
  void text(const char* key, std::string& into) {
    const Json* value = member(key);
    if (value == nullptr) return;
    if (!value->is_string()) return fail(std::string(key) + " isn't a text");
    into = value->get<std::string>();
  }
  /// A member of that type; null if it isn't there.
  const Json* part(const char* key, Json::value_t type) {
    const Json* value = member(key);
    if (value == nullptr || value->type() == type) return value;
    fail(std::string(key) + " isn't what is expected");
    return nullptr;
  }
  template <typename T>
  void reservoir(const char* key, Reservoir<T>& into) {
    const Json* value = part(key, Json::value_t::object);
    if (value == nullptr) return;
    Reader inside(*value);
    std::int64_t seen = 0;
    inside.count("seen", seen);
    std::vector<T> items;
    if (const Json* list = inside.part("items", Json::value_t::array)) {
      for (const Json& entry : *list) {
        T item{};
        if (!read(entry, item)) return fail(std::string(key) + " has an item that isn't a sample");
        items.push_back(item);
      }
    }
    if (inside.error_) return fail(std::string(key) + ": " + *inside.error_);
    into = Reservoir<T>(seen, std::move(items));
  }
  void fail(const std::string& why) {
    if (!error_) error_ = why;
  }
  Result<void> end(const std::string& where) const {
    if (error_) return wrong("statistics, " + where + ": " + *error_);
    return {};
  }

 private:
  const Json* member(const char* key) const {
    const auto found = json_.is_object() ? json_.find(key) : json_.end();
    return found == json_.end() ? nullptr : &*found;
  }
  static bool read(const Json& json, std::int64_t& into) {
    if (!json.is_number_integer() || json < 0) return false;
    into = json.get<std::int64_t>();
    return true;
  }
  static bool read(const Json& json, AttemptSample& into) {
    if (!json.is_array() || json.size() != 6 || !json[0].is_number()) return false;
    into.seconds = json[0].get<double>();
    return std::isfinite(into.seconds) && into.seconds >= 0 && read(json[1], into.prompt_tokens) &&
           read(json[2], into.cached_tokens) && read(json[3], into.output_tokens) &&
           read(json[4], into.calls) && read(json[5], into.money_micros);
  }

  const Json& json_;
  std::optional<std::string> error_;
};

void read_judgements(Reader& inside, Judgements& j) {
  inside.count("with_answer", j.with_answer);
  inside.count("right", j.right);
  inside.count("without_answer", j.without_answer);
  inside.count("false_alarms", j.false_alarms);
  inside.count("errors", j.errors);
  inside.number("error_mean", j.error_mean);
  inside.number("error_squares", j.error_squares);
  if (j.right > j.with_answer || j.false_alarms > j.without_answer) {
    inside.fail("more were right or false alarms than there were");
  }
}

Result<void> read_run(const Json& json, RunSample& run) {
  Reader reader(json);
  reader.number("seconds", run.seconds);
  reader.number("seconds_forecast", run.seconds_forecast);
  reader.number("output_tokens", run.output_tokens);
  reader.number("output_tokens_forecast", run.output_tokens_forecast);
  return reader.end("a run");
}

Result<void> read_setting(const Json& json, StatsBook& book) {
  Reader reader(json);
  std::int64_t size = 1;
  std::int64_t overlap = 0;
  std::int64_t votes = 1;
  reader.count("size", size);
  reader.count("overlap_percent", overlap);
  reader.count("votes", votes);
  WEFT_TRY_VOID(reader.end("a setting"));
  Judgements& judged = book.judgement(size, overlap, votes).judged;
  if (const Json* part = reader.part("judged", Json::value_t::object)) {
    Reader inside(*part);
    read_judgements(inside, judged);
    WEFT_TRY_VOID(inside.end("judged of a setting"));
  }
  return reader.end("a setting");
}

Result<void> read_node(const Json& json, std::map<NodeKey, NodeStats>& nodes) {
  Reader reader(json);
  NodeKey key;
  std::int64_t bucket = 0;
  reader.text("function", key.function);
  reader.text("path", key.path);
  reader.text("model", key.model);
  reader.count("size_bucket", bucket);
  if (bucket > 63) reader.fail("size_bucket is above 63");
  key.size_bucket = static_cast<int>(std::min<std::int64_t>(bucket, 63));
  NodeStats stats;
  reader.count("trials", stats.trials);
  reader.count("failures", stats.failures);
  if (stats.failures > stats.trials) reader.fail("there are more failures than trials");
  reader.count("fixed_prompt_tokens", stats.fixed_prompt_tokens);
  reader.reservoir("done", stats.done);
  reader.reservoir("failed", stats.failed);
  if (const Json* judged = reader.part("judged", Json::value_t::object)) {
    Reader inside(*judged);
    read_judgements(inside, stats.judged);
    WEFT_TRY_VOID(inside.end("judged of node " + key.path));
  }
  WEFT_TRY_VOID(reader.end("node " + key.path));
  nodes[std::move(key)] = std::move(stats);
  return {};
}

Result<void> read_engine(const std::string& model, const Json& json, EngineRates& rates) {
  Reader reader(json);
  reader.number("prefill_tokens_per_s", rates.prefill_tokens_per_s);
  if (const Json* steps = reader.part("step_seconds", Json::value_t::array)) {
    for (const Json& step : *steps) {
      const bool is_pair = step.is_array() && step.size() == 2 && step[0].is_number_integer() &&
                           step[1].is_number() && step[0] > 0 && step[0] <= 1'000'000;
      if (!is_pair) {
        reader.fail("a step isn't a batch and its seconds");
        break;
      }
      rates.step_seconds[step[0].get<int>()] = step[1].get<double>();
    }
  }
  return reader.end("engine " + model);
}

}  // namespace

std::string StatsBook::json() const {
  Json json = {{"format", kFormat},
               {"nodes", Json::array()},
               {"controls", Json::object()},
               {"engines", Json::object()}};
  for (const auto& [key, stats] : nodes_) {
    json["nodes"].push_back({{"function", key.function},
                             {"path", key.path},
                             {"model", key.model},
                             {"size_bucket", key.size_bucket},
                             {"trials", stats.trials},
                             {"failures", stats.failures},
                             {"fixed_prompt_tokens", stats.fixed_prompt_tokens},
                             {"done", reservoir_json(stats.done)},
                             {"failed", reservoir_json(stats.failed)},
                             {"judged", judged_json(stats.judged)}});
  }
  for (const auto& [path, stats] : controls_) {
    json["controls"][path] = {
        {"counts", reservoir_json(stats.counts)}, {"yes", stats.yes}, {"no", stats.no}};
  }
  for (const auto& [model, rates] : engines_) {
    Json steps = Json::array();
    for (const auto& [batch, seconds] : rates.step_seconds) steps.push_back({batch, seconds});
    json["engines"][model] = {{"prefill_tokens_per_s", rates.prefill_tokens_per_s},
                              {"step_seconds", std::move(steps)}};
  }
  json["runs"] = Json::array();
  for (const RunSample& run : runs_) {
    json["runs"].push_back({{"seconds", run.seconds},
                            {"seconds_forecast", run.seconds_forecast},
                            {"output_tokens", run.output_tokens},
                            {"output_tokens_forecast", run.output_tokens_forecast}});
  }
  json["judgements"] = Json::array();
  for (const SettingJudgement& one : judgements_) {
    json["judgements"].push_back({{"size", one.size},
                                  {"overlap_percent", one.overlap_percent},
                                  {"votes", one.votes},
                                  {"judged", judged_json(one.judged)}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<StatsBook> StatsBook::from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return wrong("the statistics aren't valid JSON");
  if (!json.is_object() || !json.contains("format") || json["format"] != Json(kFormat)) {
    return wrong("the statistics' \"format\" isn't " + std::to_string(kFormat));
  }
  StatsBook book;
  Reader reader(json);
  if (const Json* nodes = reader.part("nodes", Json::value_t::array)) {
    for (const Json& node : *nodes) WEFT_TRY_VOID(read_node(node, book.nodes_));
  }
  if (const Json* controls = reader.part("controls", Json::value_t::object)) {
    for (const auto& [path, entry] : controls->items()) {
      Reader inside(entry);
      ControlStats stats;
      inside.reservoir("counts", stats.counts);
      inside.count("yes", stats.yes);
      inside.count("no", stats.no);
      WEFT_TRY_VOID(inside.end("control " + path));
      book.controls_[path] = std::move(stats);
    }
  }
  if (const Json* engines = reader.part("engines", Json::value_t::object)) {
    for (const auto& [model, entry] : engines->items()) {
      WEFT_TRY_VOID(read_engine(model, entry, book.engines_[model]));
    }
  }
  if (const Json* runs = reader.part("runs", Json::value_t::array)) {
    for (const Json& entry : *runs) {
      RunSample run;
      WEFT_TRY_VOID(read_run(entry, run));
      book.add_run(run);
    }
  }
  if (const Json* settings = reader.part("judgements", Json::value_t::array)) {
    for (const Json& entry : *settings) WEFT_TRY_VOID(read_setting(entry, book));
  }
  WEFT_TRY_VOID(reader.end("the whole"));
  return book;
}

}  // namespace weft::planner
