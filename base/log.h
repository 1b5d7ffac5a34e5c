#pragma once
// What happened, for the person who runs the program: a level, a message and key-value fields,
// written to a Logger that is handed in. The library never writes anywhere else.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"

namespace weft {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

std::string_view to_string(LogLevel level) noexcept;

/// A field's value; borrows text for the length of the call.
class LogValue {
 public:
  LogValue(std::string_view text) : value_(text) {}  // NOLINT(google-explicit-constructor)
  LogValue(const char* text) : LogValue(std::string_view(text)) {}                  // NOLINT
  LogValue(const std::string& text) : LogValue(std::string_view(text)) {}           // NOLINT
  LogValue(bool value) : value_(value) {}                                           // NOLINT
  LogValue(std::floating_point auto value) : value_(static_cast<double>(value)) {}  // NOLINT
  LogValue(std::integral auto value) : value_(static_cast<std::int64_t>(value)) {}  // NOLINT

  const std::variant<std::string_view, bool, std::int64_t, double>& get() const { return value_; }

 private:
  std::variant<std::string_view, bool, std::int64_t, double> value_;
};

struct LogField {
  std::string_view key;
  LogValue value;
};

/// Thread-safe: lines of several threads don't mix. Never fails: logging must not stop the work.
class Logger {
 public:
  virtual ~Logger() = default;

  void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(level, message, std::span(fields.begin(), fields.size()));
  }
  virtual void write(LogLevel level, std::string_view message,
                     std::span<const LogField> fields) = 0;
};

class NullLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::span<const LogField>) override {}
};

/// Lines on a stream such as std::cerr; what is below `level_min` is dropped. Borrows stream and
/// clock. Text: `12:07:01 warning: message key=value`; JSON: one object a line with "time",
/// "level", "message" and the fields. Control characters never reach the stream.
class StreamLogger final : public Logger {
 public:
  enum class Format : std::uint8_t { kText, kJson };
  struct Options {
    Format format = Format::kText;
    LogLevel level_min = LogLevel::kInfo;
  };

  StreamLogger(std::ostream& stream, const Clock& clock, Options options)
      : stream_(stream), clock_(clock), options_(options) {}

  void write(LogLevel level, std::string_view message, std::span<const LogField> fields) override;

 private:
  std::string line(LogLevel level, std::string_view message,
                   std::span<const LogField> fields) const;

  std::mutex mutex_;
  std::ostream& stream_;
  const Clock& clock_;
  Options options_;
};

}  // namespace weft
