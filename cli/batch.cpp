#include "cli/batch.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "cli/text_input.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBatchBytesMax = std::size_t{1} << 30;

Error wrong_type(const std::string& key, const char* expected) {
  return {ErrorCode::kInvalidArgument, "\"" + key + "\": " + expected + " is needed here"};
}

std::size_t count_lines(const std::string& text) {
  const auto newlines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  return newlines + (text.empty() || text.back() == '\n' ? 0 : 1);
}

}  // namespace

Result<BatchLine> BatchLine::parse(std::string_view text, const std::vector<std::string>& known) {
  auto object = std::make_shared<Json>(Json::parse(text, nullptr, false));
  if (!object->is_object()) {
    return Error{ErrorCode::kInvalidArgument, "the line isn't a JSON object"};
  }
  Json warnings = Json::array();
  for (const auto& [key, value] : object->items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    warnings.push_back("ignored \"" + key + "\"" + did_you_mean(key, known));
  }
  if (!warnings.empty()) (*object)["warnings"] = std::move(warnings);
  BatchLine line;
  line.object_ = std::move(object);
  return line;
}

bool BatchLine::has(const std::string& key) const { return object_->contains(key); }

Result<std::string> BatchLine::string(const std::string& key) const {
  if (!has(key)) return Error{ErrorCode::kInvalidArgument, "\"" + key + "\" is missing"};
  if (!object_->at(key).is_string()) return wrong_type(key, "a string");
  return object_->at(key).get<std::string>();
}

Result<double> BatchLine::number(const std::string& key, double fallback) const {
  if (!has(key)) return fallback;
  if (!object_->at(key).is_number()) return wrong_type(key, "a number");
  return object_->at(key).get<double>();
}

Result<std::size_t> BatchLine::count(const std::string& key, std::size_t fallback) const {
  if (!has(key)) return fallback;
  const auto& value = object_->at(key);
  if (!value.is_number_unsigned()) return wrong_type(key, "a whole number >= 0");
  return value.get<std::size_t>();
}

Result<bool> BatchLine::boolean(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  if (!object_->at(key).is_boolean()) return wrong_type(key, "true or false");
  return object_->at(key).get<bool>();
}

Result<std::vector<std::string>> BatchLine::strings(const std::string& key) const {
  std::vector<std::string> list;
  if (!has(key)) return list;
  const auto& value = object_->at(key);
  if (value.is_string()) return std::vector{value.get<std::string>()};
  if (!value.is_array()) return wrong_type(key, "a string or a list of strings");
  for (const auto& item : value) {
    if (!item.is_string()) return wrong_type(key, "a string or a list of strings");
    list.push_back(item.get<std::string>());
  }
  return list;
}

void add_batch_option(CLI::App& verb, std::string& file, const std::string& what_is_done,
                      const std::vector<std::string>& keys) {
  std::string list;
  for (const std::string& key : keys) list += (list.empty() ? "" : ", ") + key;
  verb.add_option(
          "--batch", file,
          what_is_done + " each line of a JSON Lines file: " + list + "; - is standard input")
      ->type_name("FILE");
}

Result<ExitCode> run_batch(Context& context, const std::string& file,
                           const std::vector<std::string>& known, const BatchHandler& handler) {
  WEFT_TRY(text, read_input(context, file, kBatchBytesMax));
  const std::size_t total = count_lines(text);
  std::size_t number = 0, failed = 0, done = 0;
  Progress progress(context.console, "lines", Progress::Unit::kItems);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view content = std::string_view(text).substr(start, end - start);
    start = end + 1;
    progress.update(number++, total);
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (context.stop.stop_requested()) return ExitCode::kInterrupted;
    const auto line = BatchLine::parse(content, known);
    Json out = Json::object();
    if (line && line->has("id")) out["id"] = line->object().at("id");
    auto result = line ? handler(*line) : Result<Json>(line.error());
    if (result) {
      out.update(*result);
      if (line->has("warnings")) out["warnings"] = line->object().at("warnings");
    } else {
      if (result.error().code == ErrorCode::kCancelled) return ExitCode::kInterrupted;
      ++failed;
      out["line"] = number;
      out["error"] = {{"code", to_string(result.error().code)},
                      {"message", result.error().message}};
    }
    ++done;
    progress.clear();
    if (!context.console.print_json(out)) return ExitCode::kFailed;
  }
  if (failed == 0) return ExitCode::kDone;
  return failed == done ? ExitCode::kFailed : ExitCode::kPartial;
}

}  // namespace weft::cli
