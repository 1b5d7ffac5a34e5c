#include "inference/bpe_splitter.h"

#include <cstdint>

#include "base/utf8.h"
#include "inference/unicode.h"

namespace weft::inference {
namespace {

struct NamedSplitter {
  std::string_view name;  // of tokenizer.ggml.pre
  BpeSplitter splitter;
};
constexpr NamedSplitter kNames[] = {
    {"gpt-2", BpeSplitter::kGpt2},
    {"smollm", BpeSplitter::kSmollm},
    {"llama-bpe", BpeSplitter::kLlama3},
    {"llama3", BpeSplitter::kLlama3},
    {"llama-v3", BpeSplitter::kLlama3},
    {"qwen2", BpeSplitter::kQwen2},
    {"deepseek-r1-qwen", BpeSplitter::kQwen2},
};

constexpr std::uint8_t kWordTraits = kLetter | kNumber | kWhiteSpace;

// One character: its traits reduced to the three classes the expressions name.
struct Char {
  std::uint32_t size = 0;  // bytes; 0 at the end of the text
  std::uint8_t traits = 0;
  char byte = 0;  // the character itself if it is ASCII

  bool is_letter() const { return (traits & kLetter) != 0; }
  bool is_number() const { return (traits & kNumber) != 0; }
  bool is_space() const { return (traits & kWhiteSpace) != 0; }
  bool is_symbol() const { return size != 0 && traits == 0; }
  bool is_newline() const { return byte == '\n' || byte == '\r'; }
};

inline Char char_at(std::string_view text, std::size_t at) noexcept {
  if (at >= text.size()) return {};
  const auto byte = static_cast<std::uint8_t>(text[at]);
  if (byte < 0x80) {
    return {1, static_cast<std::uint8_t>(character_traits(byte) & kWordTraits), text[at]};
  }
  const Utf8CodePoint decoded = decode_utf8(text.substr(at));
  const std::uint8_t traits = decoded.valid ? character_traits(decoded.value) : 0;
  return {decoded.size, static_cast<std::uint8_t>(traits & kWordTraits), '\0'};
}

// The end of the run of characters from `at` on that satisfy `wanted`.
template <typename Predicate>
std::size_t run_end(std::string_view text, std::size_t at, Predicate wanted) noexcept {
  for (Char next = char_at(text, at); next.size != 0 && wanted(next); next = char_at(text, at)) {
    at += next.size;
  }
  return at;
}

std::size_t letters_end(std::string_view text, std::size_t at) noexcept {
  return run_end(text, at, [](const Char& c) { return c.is_letter(); });
}

std::size_t symbols_end(std::string_view text, std::size_t at) noexcept {
  return run_end(text, at, [](const Char& c) { return c.is_symbol(); });
}

// 's 't 'm 'd 're 've 'll: the length of the contraction at the start of `text`, else 0.
std::size_t contraction(std::string_view text, bool ignore_case) noexcept {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto letter = [&](std::size_t at) {
    const char c = at < text.size() ? text[at] : '\0';
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  const char first = letter(1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = letter(2);
  const bool pair =
      ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l');
  return pair ? 3 : 0;
}

// A run of white space, as \s+(?!\S) and then \s+ take it: all of it at the end of the text, else
// all but its last character (which goes with what follows) unless it is the only one.
struct SpaceRun {
  std::size_t end = 0;          // after the run
  std::size_t last = 0;         // where its last character starts
  std::size_t newline_end = 0;  // after its last \r or \n; 0 if there is none
};

SpaceRun space_run(std::string_view text) noexcept {
  SpaceRun run;
  for (Char next = char_at(text, 0); next.is_space(); next = char_at(text, run.end)) {
    run.last = run.end;
    run.end += next.size;
    if (next.is_newline()) run.newline_end = run.end;
  }
  return run;
}

std::size_t space_piece(const SpaceRun& run, bool at_end) noexcept {
  return at_end || run.last == 0 ? run.end : run.last;
}

std::size_t numbers_end(std::string_view text, std::size_t at) noexcept {
  return run_end(text, at, [](const Char& c) { return c.is_number(); });
}

std::size_t first_piece_gpt2(std::string_view text) noexcept {
  if (const std::size_t size = contraction(text, false); size != 0) return size;
  const Char first = char_at(text, 0);
  const std::size_t start = first.byte == ' ' ? 1 : 0;
  const Char body = start == 0 ? first : char_at(text, start);
  if (body.is_letter()) return letters_end(text, start + body.size);
  if (body.is_number()) return numbers_end(text, start + body.size);
  if (body.is_symbol()) return symbols_end(text, start + body.size);
  const SpaceRun run = space_run(text);
  return space_piece(run, run.end == text.size());
}

std::size_t first_piece_smollm(std::string_view text) noexcept {
  const Char first = char_at(text, 0);
  if (first.is_number()) return first.size;
  if (const std::size_t size = contraction(text, false); size != 0) return size;
  // An optional space belongs to the letters or symbols after it. Numbers were cut out before, so
  // they end the text as far as the other rules can see.
  const std::size_t start = first.byte == ' ' ? 1 : 0;
  const Char body = start == 0 ? first : char_at(text, start);
  if (body.is_letter()) return letters_end(text, start + body.size);
  if (body.is_symbol()) return symbols_end(text, start + body.size);
  const SpaceRun run = space_run(text);
  const Char after = char_at(text, run.end);
  return space_piece(run, after.size == 0 || after.is_number());
}

// The end of the first `count` (>= 1) numbers at most, of which there is one at least.
std::size_t some_numbers_end(std::string_view text, std::size_t count) noexcept {
  std::size_t end = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Char next = char_at(text, end);
    if (!next.is_number()) break;
    end += next.size;
  }
  return end;
}

// GPT-4's expression: that of Llama 3 and, but for the numbers, of Qwen 2.
std::size_t first_piece_gpt4(std::string_view text, std::size_t numbers_max) noexcept {
  const Char first = char_at(text, 0);
  if (first.is_letter()) return letters_end(text, first.size);
  if (first.is_number()) return some_numbers_end(text, numbers_max);
  if (const std::size_t size = contraction(text, true); size != 0) return size;
  const Char second = char_at(text, first.size);
  if (!first.is_newline() && second.is_letter()) {
    return letters_end(text, first.size + second.size);
  }
  if (first.is_symbol() || (first.byte == ' ' && second.is_symbol())) {
    const std::size_t end = symbols_end(text, first.size);
    return run_end(text, end, [](const Char& c) { return c.is_newline(); });
  }
  const SpaceRun run = space_run(text);
  if (run.newline_end != 0) return run.newline_end;
  return space_piece(run, run.end == text.size());
}

}  // namespace

std::optional<BpeSplitter> bpe_splitter(std::string_view name) noexcept {
  for (const NamedSplitter& known : kNames) {
    if (known.name == name) return known.splitter;
  }
  return std::nullopt;
}

std::string bpe_splitter_names() {
  std::string names;
  for (const NamedSplitter& known : kNames) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

std::size_t first_piece(BpeSplitter splitter, std::string_view text) noexcept {
  if (text.empty()) return 0;
  switch (splitter) {
    case BpeSplitter::kGpt2:
      return first_piece_gpt2(text);
    case BpeSplitter::kSmollm:
      return first_piece_smollm(text);
    case BpeSplitter::kLlama3:
      return first_piece_gpt4(text, 3);
    case BpeSplitter::kQwen2:
      return first_piece_gpt4(text, 1);
  }
  return text.size();  // not reached: the cases are all
}

}  // namespace weft::inference
