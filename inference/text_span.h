#pragma once
// Prompt text with its provenance. Retrieved text is data: control-token strings in an untrusted
// span stay plain text, whatever they spell (DESIGN.md, "retrieved text is data").

#include <string>

namespace weft::inference {

struct TextSpan {
  std::string text;  // UTF-8, or any bytes: a tokenizer never refuses
  bool trusted = false;

  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

}  // namespace weft::inference
