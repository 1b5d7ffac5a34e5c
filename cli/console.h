#pragma once
// What a person or a script sees: results on standard output, everything else on standard error.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"

namespace weft::cli {

/// One line of JSON text; broken UTF-8 inside becomes U+FFFD, so it never throws.
std::string json_line(const nlohmann::ordered_json& value);

class Console {
 public:
  struct Options {
    bool json_result = false;  // --json
    bool json_log = false;     // log.format = json
  };
  Console(std::FILE* out, std::FILE* err, Options options);

  bool json_result() const noexcept { return options_.json_result; }
  bool json_log() const noexcept { return options_.json_log; }
  bool out_is_terminal() const noexcept { return out_is_terminal_; }
  bool err_is_terminal() const noexcept { return err_is_terminal_; }

  /// Text to standard output, flushed. False once the reader has gone (a closed pipe).
  bool print(std::string_view text);
  bool print_json(const nlohmann::ordered_json& value);

  /// A line to standard error: as it stands, or {"level", "message"} with --log-format json.
  void note(std::string_view message);
  void warn(std::string_view message);
  void log_json(const nlohmann::ordered_json& value);  // only with --log-format json
  /// "weft: MESSAGE" on standard error and, with --json, {"error": {code, message}} on output.
  void fail(const Error& error);

  /// Dimmed or bold text on a terminal, else as it is.
  std::string dim(std::string_view text) const;
  std::string bold(std::string_view text) const;

 private:
  friend class Progress;
  std::FILE* out_;
  std::FILE* err_;
  Options options_;
  bool out_is_terminal_;
  bool err_is_terminal_;
};

/// A bar with rate and time left on a terminal, redrawn at most ten times a second; nothing
/// elsewhere. Erased when it ends.
class Progress {
 public:
  enum class Unit { kItems, kBytes };
  Progress(Console& console, std::string label, Unit unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done, std::uint64_t total);
  void label(std::string text) { label_ = std::move(text); }
  /// Takes the bar off the screen, so that a line can be printed; the next update redraws it.
  void clear();

 private:
  Console& console_;
  std::string label_;
  Unit unit_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_{};
  bool visible_ = false;
};

std::string human_bytes(std::uint64_t bytes);
std::string human_duration(double seconds);

}  // namespace weft::cli
