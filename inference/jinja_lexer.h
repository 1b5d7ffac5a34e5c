#pragma once
// A template's source as tokens, with the white space rules that chat templates are written for:
// trim_blocks and lstrip_blocks on, one newline at the end of the source dropped.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::inference::jinja {

inline constexpr std::size_t kSourceBytesMax = 1 << 20;  // real templates have 1 to 20 KB

struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;  // in bytes
};

enum class TokenType : std::uint8_t {
  kText,        // outside of tags
  kPrintBegin,  // {{
  kPrintEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,  // decoded
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  std::string text;
  Position at;
};

/// "chat template, line 3, column 5: " before the error's message.
Error located(Position at, Error error);
Error syntax_error(Position at, std::string message);

/// The last token is kEnd. Errors: kInvalidArgument for what doesn't form a token,
/// kResourceExhausted past kSourceBytesMax.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace weft::inference::jinja
