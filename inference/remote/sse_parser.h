#pragma once
// Server-sent events, the text/event-stream that models' answers come in, as a state machine: bytes
// in, events out, the same ones however the bytes were cut.
// Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::inference {

struct SseEvent {
  std::string type;  // "message" where the stream names none
  std::string data;  // lines joined by "\n"; broken UTF-8 is U+FFFD

  friend bool operator==(const SseEvent&, const SseEvent&) = default;
};

struct SseLimits {
  std::size_t line_bytes_max = std::size_t{1} << 20;
  std::size_t event_bytes_max = std::size_t{4} << 20;  // of all data lines of an event
};

class SseParser {
 public:
  using OnEvent = std::function<Result<void>(const SseEvent&)>;

  explicit SseParser(const SseLimits& limits = {}) : limits_(limits) {}

  /// Tells `on_event` of each event that `bytes` complete; an event without data is none. What the
  /// stream ends within is no event. Comments, ids and retry times are skipped. Errors: kCorrupt
  /// for a line or an event beyond the limits; those of `on_event`. After an error nothing more is
  /// read, and the same one is returned.
  Result<void> feed(std::string_view bytes, const OnEvent& on_event);

 private:
  Result<void> read(std::string_view bytes, const OnEvent& on_event);
  Result<void> append(std::string_view bytes);
  Result<void> end_of_line(const OnEvent& on_event);
  Result<void> dispatch(const OnEvent& on_event);

  SseLimits limits_;
  std::string line_;
  std::string type_;
  std::string data_;
  bool has_data_ = false;
  bool is_first_line_ = true;
  bool after_cr_ = false;  // a line feed right after it belongs to it
  std::optional<Error> failure_;
};

}  // namespace weft::inference
