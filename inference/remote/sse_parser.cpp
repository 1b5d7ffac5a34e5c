#include "inference/remote/sse_parser.h"

#include <utility>

#include "base/utf8.h"

namespace weft::inference {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error too_long(const char* what, std::size_t bytes_max) {
  return {ErrorCode::kCorrupt, std::string("the event stream has ") + what + " of more than " +
                                   std::to_string(bytes_max) + " bytes"};
}

}  // namespace

Result<void> SseParser::feed(std::string_view bytes, const OnEvent& on_event) {
  if (failure_) return *failure_;
  const Result<void> done = read(bytes, on_event);
  if (!done) failure_ = done.error();
  return done;
}

Result<void> SseParser::read(std::string_view bytes, const OnEvent& on_event) {
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    WEFT_TRY_VOID(append(bytes.substr(0, end)));
    if (end == std::string_view::npos) return {};
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    WEFT_TRY_VOID(end_of_line(on_event));
  }
  return {};
}

Result<void> SseParser::append(std::string_view bytes) {
  if (bytes.size() > limits_.line_bytes_max - line_.size()) {
    return too_long("a line", limits_.line_bytes_max);
  }
  line_ += bytes;
  return {};
}

Result<void> SseParser::end_of_line(const OnEvent& on_event) {
  std::string_view line = line_;
  if (std::exchange(is_first_line_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    line_.clear();
    return dispatch(on_event);
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);  // empty for a comment
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    if (value.size() + 1 > limits_.event_bytes_max - data_.size()) {
      return too_long("an event", limits_.event_bytes_max);
    }
    if (std::exchange(has_data_, true)) data_ += '\n';
    data_ += value;
  } else if (name == "event") {
    type_ = value;
  }
  line_.clear();
  return {};
}

Result<void> SseParser::dispatch(const OnEvent& on_event) {
  SseEvent event{repair_utf8(std::exchange(type_, {})), repair_utf8(std::exchange(data_, {}))};
  has_data_ = false;
  if (event.data.empty()) return {};
  if (event.type.empty()) event.type = "message";
  return on_event(event);
}

}  // namespace weft::inference
