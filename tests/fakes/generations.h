#pragma once
// Documents whose text says which version of which file it is, so that half a document, or two
// halves, show. For tests that stop or watch a writer.

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace weft::test {

/// Version `generation` of file `number`: five paragraphs, or six, each naming both.
inline std::string generation_text(int number, int generation) {
  std::string mark = "file";
  mark.append(std::to_string(number)).append(" generation").append(std::to_string(generation));
  std::string text = mark;
  const int paragraphs = 5 + generation % 2;
  for (int i = 1; i < paragraphs; ++i) {
    text.append("\n\n").append(mark).append(" paragraph").append(std::to_string(i));
    // Enough words for a transaction of several pages.
    for (int w = 0; w < 60; ++w) {
      text.append(" word").append(
          std::to_string((number * 31 + generation * 7 + i * 13 + w) % 997));
    }
  }
  return text;
}

/// The generation that `text` says it is, if the whole text is that generation of file `number`.
inline std::optional<int> generation_of(int number, std::string_view text) {
  constexpr std::string_view kBefore = " generation";
  const auto at = text.find(kBefore);
  if (at == std::string_view::npos) return {};
  int generation = 0;
  const char* const first = text.data() + at + kBefore.size();
  if (std::from_chars(first, text.data() + text.size(), generation).ec != std::errc()) return {};
  if (text != generation_text(number, generation)) return {};
  return generation;
}

}  // namespace weft::test
