#include "cli/batch.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/guard.h"
#include "base/nearest.h"
#include "cli/text_input.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBatchBytesMax = std::size_t{1} << 30;
constexpr std::size_t kRounds = 4;  // lines a thread between two times of printing

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

namespace {

/// Lines on their way through a handler, and what came of all lines so far.
class Groups {
 public:
  Groups(Context& context, const GroupHandler& handler) : context_(context), handler_(handler) {}

  std::size_t pending() const noexcept { return pending_.size(); }
  void add(std::size_t number, Result<BatchLine> line) {
    pending_.push_back({number, std::move(line)});
  }

  /// Handles and prints what is pending. Errors: kCancelled; kIo if the output can't be written,
  /// which the console tells.
  Result<void> flush() {
    std::vector<BatchLine> lines;
    for (const Pending& each : pending_) {
      if (each.line) lines.push_back(*each.line);
    }
    Result<std::vector<Result<Json>>> results = std::vector<Result<Json>>();
    if (!lines.empty()) results = handler_(lines);
    if (!results && results.error().code == ErrorCode::kCancelled) return results.error();
    std::size_t next = 0;
    for (const Pending& each : pending_) {
      if (!each.line) {
        WEFT_TRY_VOID(print(each, each.line.error()));
      } else if (!results) {
        WEFT_TRY_VOID(print(each, results.error()));
      } else {
        WEFT_TRY_VOID(print(each, results->at(next++)));
      }
    }
    pending_.clear();
    return {};
  }

  ExitCode code() const noexcept {
    if (failed_ == 0) return ExitCode::kDone;
    return failed_ == done_ ? ExitCode::kFailed : ExitCode::kPartial;
  }

 private:
  struct Pending {
    std::size_t number;
    Result<BatchLine> line;
  };

  Result<void> print(const Pending& from, const Result<Json>& result) {
    if (!result && result.error().code == ErrorCode::kCancelled) return result.error();
    Json out = Json::object();
    if (from.line && from.line->has("id")) out["id"] = from.line->object().at("id");
    if (result) {
      out.update(*result);
      if (from.line->has("warnings")) out["warnings"] = from.line->object().at("warnings");
    } else {
      ++failed_;
      out["line"] = from.number;
      out["error"] = {{"code", to_string(result.error().code)},
                      {"message", result.error().message}};
    }
    ++done_;
    if (context_.console.print_json(out)) return {};
    return Error{ErrorCode::kIo, "cannot write to standard output"};
  }

  Context& context_;
  const GroupHandler& handler_;
  std::vector<Pending> pending_;
  std::size_t failed_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

Result<ExitCode> run_batch_groups(Context& context, const std::string& file,
                                  const std::vector<std::string>& known, std::size_t lines_max,
                                  const GroupHandler& handler) {
  WEFT_TRY(text, read_input(context, file, kBatchBytesMax));
  const std::size_t total = count_lines(text);
  std::size_t number = 0;
  Groups groups(context, handler);
  Progress progress(context.console, "lines", Progress::Unit::kItems);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view content = std::string_view(text).substr(start, end - start);
    start = end + 1;
    progress.update(number++, total);
    const bool blank = content.find_first_not_of(" \t\r") == std::string_view::npos;
    if (!blank) groups.add(number, BatchLine::parse(content, known));
    const bool last = start >= text.size();
    if (groups.pending() == 0 || (groups.pending() < lines_max && !last)) continue;
    if (context.stop.stop_requested()) return ExitCode::kInterrupted;
    progress.clear();
    const auto flushed = groups.flush();
    if (!flushed && flushed.error().code == ErrorCode::kCancelled) return ExitCode::kInterrupted;
    if (!flushed) return ExitCode::kFailed;
  }
  return groups.code();
}

Result<ExitCode> run_batch(Context& context, const std::string& file,
                           const std::vector<std::string>& known, const BatchHandler& handler) {
  return run_batch_groups(
      context, file, known, 1,
      [&](std::span<const BatchLine> lines) -> Result<std::vector<Result<Json>>> {
        return std::vector<Result<Json>>{handler(lines.front())};
      });
}

Result<ExitCode> run_batch_side_by_side(Context& context, const std::string& file,
                                        const std::vector<std::string>& known, std::size_t threads,
                                        const ThreadedHandler& handler) {
  return run_batch_groups(
      context, file, known, threads == 1 ? 1 : kRounds * threads,
      [&](std::span<const BatchLine> lines) -> Result<std::vector<Result<Json>>> {
        std::vector<Result<Json>> results(lines.size(),
                                          Error{ErrorCode::kInternal, "nobody took up this line"});
        std::atomic<std::size_t> next = 0;
        const auto work = [&](std::size_t thread) {
          for (std::size_t i = next++; i < lines.size(); i = next++) {
            results[i] = guarded([&] { return handler(thread, lines[i]); });
          }
        };
        std::vector<std::jthread> others;
        for (std::size_t t = 1; t < std::min(threads, lines.size()); ++t) {
          others.emplace_back(work, t);
        }
        work(0);
        others.clear();  // joins them
        return results;
      });
}

}  // namespace weft::cli
