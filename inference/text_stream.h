#pragma once
// Token bytes in, finished text out: holds back what may still become a stop string or a whole
// UTF-8 character. The text is the same however the bytes are split into pieces.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::inference {

inline constexpr std::size_t kStopStringsMax = 64;
inline constexpr std::size_t kStopStringBytesMax = 4096;

class TextStream {
 public:
  /// Errors: kInvalidArgument for an empty stop string, too many, or one too long.
  static Result<TextStream> open(std::vector<std::string> stop_strings);

  /// The text that `bytes` made certain; valid UTF-8. After a stop string has been met (see
  /// stopped()) nothing comes any more. If several end at the same byte, the longest is cut.
  std::string feed(std::string_view bytes);
  /// The rest; an unfinished character becomes U+FFFD.
  std::string finish();
  bool stopped() const noexcept { return stopped_; }

 private:
  explicit TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  std::size_t match_at_end() const noexcept;  // bytes of the stop string that pending_ ends with
  std::size_t held_back() const noexcept;     // bytes at the end that may begin a stop string

  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace weft::inference
