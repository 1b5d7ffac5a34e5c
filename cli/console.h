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

  /// Text to standard output, flushed. False once it can't be written: the reader of a pipe has
  /// gone, a disk is full.
  bool print(std::string_view text);
  /// The errno of the first print() that failed, or 0.
  int print_error() const noexcept { return print_error_; }
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
  int print_error_ = 0;
};

/// A bar with rate and time left on a terminal, redrawn at most ten times a second and erased when
/// it ends; elsewhere a line every 15 seconds, so that a long wait doesn't look like a hang.
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
  std::string numbers(std::uint64_t done, std::uint64_t total) const;

  Console& console_;
  std::string label_;
  Unit unit_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;  // or begun, before anything was drawn
  bool visible_ = false;
};

std::string human_bytes(std::uint64_t bytes);
std::string human_duration(double seconds);

}  // namespace weft::cli
