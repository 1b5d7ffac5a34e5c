#include "inference/text_stream.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace weft::inference {

Result<TextStream> TextStream::open(std::vector<std::string> stop_strings) {
  if (stop_strings.size() > kStopStringsMax) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(stop_strings.size()) +
                                                  " stop strings; at most " +
                                                  std::to_string(kStopStringsMax) + " are allowed"};
  }
  for (const std::string& stop : stop_strings) {
    if (stop.empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   "a stop string is empty; it would end every answer before it begins"};
    }
    if (stop.size() > kStopStringBytesMax) {
      return Error{ErrorCode::kInvalidArgument,
                   "a stop string has " + std::to_string(stop.size()) + " bytes; at most " +
                       std::to_string(kStopStringBytesMax) + " are allowed"};
    }
  }
  return TextStream(std::move(stop_strings));
}

std::size_t TextStream::match_at_end() const noexcept {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    if (pending_.ends_with(stop)) longest = std::max(longest, stop.size());
  }
  return longest;
}

std::size_t TextStream::held_back() const noexcept {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, pending_.size()); n > longest; --n) {
      if (pending_.ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

std::string TextStream::feed(std::string_view bytes) {
  if (stopped_) return {};
  if (stops_.empty()) {
    pending_ += bytes;
  } else {
    // Byte by byte, so that the stop string that ends first wins in whatever pieces the text comes.
    for (const char byte : bytes) {
      pending_ += byte;
      if (const std::size_t length = match_at_end(); length > 0) {
        pending_.resize(pending_.size() - length);
        stopped_ = true;
        return repair_utf8(std::exchange(pending_, {}));
      }
    }
  }
  const std::string_view free(pending_.data(), pending_.size() - held_back());
  const std::size_t certain = complete_utf8_prefix(free);
  std::string text = repair_utf8(free.substr(0, certain));
  pending_.erase(0, certain);
  return text;
}

std::string TextStream::finish() { return repair_utf8(std::exchange(pending_, {})); }

}  // namespace weft::inference
