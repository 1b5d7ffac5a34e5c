// Plain text, and the decoding that every text format shares.

#include <algorithm>

#include "base/utf8.h"
#include "retrieval/encoding.h"
#include "retrieval/reader.h"

namespace weft::retrieval {
namespace {

// Of 100 bytes one may be a control character other than white space: terminal logs have some,
// compressed data has about twelve.
constexpr std::size_t kControlShare = 100;

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) || c == 0x7F;
}

}  // namespace

Result<DecodedText> decode_text(std::string bytes) {
  const std::string_view view(bytes);
  if (view.starts_with("\xFF\xFE") || view.starts_with("\xFE\xFF")) {
    std::string text = from_utf16(view.substr(2), view[0] == '\xFE');
    if (text.find('\0') != text.npos) {
      return Error{ErrorCode::kUnsupported, "not text: it holds NUL characters"};
    }
    return DecodedText{std::move(text), false};
  }
  if (const std::size_t nul = view.find('\0'); nul != view.npos) {
    return Error{ErrorCode::kUnsupported,
                 "not text: NUL at byte " + std::to_string(nul) +
                     " (binary data, or UTF-16 without a byte-order mark)"};
  }
  const auto controls = static_cast<std::size_t>(std::ranges::count_if(view, is_control));
  if (controls * kControlShare > view.size() + kControlShare) {
    return Error{ErrorCode::kUnsupported, "not text: " + std::to_string(controls) +
                                              " control characters in " +
                                              std::to_string(view.size()) + " bytes"};
  }
  if (is_valid_utf8(view)) return DecodedText{std::move(bytes), true};
  // Marked as UTF-8 and broken: the rest of it still is.
  if (view.starts_with("\xEF\xBB\xBF")) return DecodedText{repair_utf8(view), false};
  return DecodedText{from_windows_1252(view), false};
}

Result<Extracted> read_text(std::string bytes) {
  WEFT_TRY(decoded, decode_text(std::move(bytes)));
  return Extracted{std::move(decoded.text), "", "text", decoded.unchanged};
}

}  // namespace weft::retrieval
