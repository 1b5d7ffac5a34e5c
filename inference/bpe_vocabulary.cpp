#include "inference/bpe_vocabulary.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace weft::inference {
namespace {

Error corrupt(std::string text) { return {ErrorCode::kCorrupt, std::move(text)}; }

// ---- bytes as GPT-2 writes them

constexpr bool is_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::size_t kLetters = 256 + 68;
constexpr std::array<std::int16_t, kLetters> byte_of_letter() {
  std::array<std::int16_t, kLetters> table{};
  table.fill(-1);
  std::size_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    table[is_itself(byte) ? byte : next++] = static_cast<std::int16_t>(byte);
  }
  return table;
}
constexpr std::array<std::int16_t, kLetters> kByteOfLetter = byte_of_letter();

// Appends what `text` stands for, or nothing and returns false. All letters have one or two bytes.
bool append_bytes(std::string& bytes, std::string_view text) {
  const std::size_t before = bytes.size();
  bytes.resize(before + text.size());
  char* out = bytes.data() + before;
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<std::uint8_t>(text[at]);
    std::size_t letter = first;
    std::size_t size = 1;
    if (first >= 0x80) {
      const Utf8CodePoint decoded = decode_utf8(text.substr(at, 2));
      letter = decoded.valid ? decoded.value : kLetters;
      size = decoded.size;
    }
    if (letter >= kLetters || kByteOfLetter[letter] < 0) {
      bytes.resize(before);
      return false;
    }
    *out++ = static_cast<char>(kByteOfLetter[letter]);
    at += size;
  }
  bytes.resize(static_cast<std::size_t>(out - bytes.data()));
  return true;
}

// What a merge's half or a normal token stands for: itself if it isn't written in the letters.
void append_meaning(std::string& bytes, std::string_view text) {
  if (!append_bytes(bytes, text)) bytes += text;
}

void append_token(std::string& bytes, std::string_view text, TokenKind kind) {
  if (kind == TokenKind::kNormal) {
    append_meaning(bytes, text);
  } else {
    bytes += text;
  }
}

// ---- merges

// Adds one merge after another. They mostly stand in the order of the tokens they make, which
// saves looking those up.
class MergeReader {
 public:
  MergeReader(const Vocabulary& vocabulary, std::size_t merges)
      : vocabulary_(vocabulary), merges_(byte_tokens(), merges) {}

  Result<void> add(std::string_view merge) {
    const std::size_t space = merge.find(' ', 1);  // the left part may itself be a space
    if (space == std::string_view::npos) return corrupt("has no space between its two parts");
    bytes_.clear();
    append_meaning(bytes_, merge.substr(0, space));
    const std::size_t left_size = bytes_.size();
    append_meaning(bytes_, merge.substr(space + 1));
    const std::string_view whole = bytes_;
    WEFT_TRY(left, find(whole.substr(0, left_size)));
    WEFT_TRY(right, find(whole.substr(left_size)));
    if (!next_is(whole)) {
      WEFT_TRY(result, find(whole));
      next_ = result;
    }
    const TokenId result = next_++;
    // Left out: plain text must never become a control token.
    if (!vocabulary_.is_text(left) || !vocabulary_.is_text(right) || !vocabulary_.is_text(result))
      return {};
    return merges_.add(left, right, result);
  }
  BpeMerges take() && { return std::move(merges_); }

 private:
  bool next_is(std::string_view text) const {
    const TokenTable& table = vocabulary_.table;
    return static_cast<std::size_t>(next_) < table.size() && table.text(next_) == text &&
           vocabulary_.kinds[static_cast<std::size_t>(next_)] == TokenKind::kNormal;
  }
  Result<TokenId> find(std::string_view text) const {
    const auto id = vocabulary_.table.find(text);
    if (!id) return corrupt("refers to " + quoted(text) + ", which isn't in the vocabulary");
    return *id;
  }
  std::array<TokenId, 256> byte_tokens() const {
    std::array<TokenId, 256> tokens;
    for (std::size_t byte = 0; byte < tokens.size(); ++byte) {
      const char text = static_cast<char>(byte);
      const auto id = vocabulary_.table.find({&text, 1});
      tokens[byte] = id && vocabulary_.is_text(*id) ? *id : BpeMerges::kNone;
    }
    return tokens;
  }

  const Vocabulary& vocabulary_;
  BpeMerges merges_;
  std::string bytes_;  // of the merge being read
  TokenId next_ = 0;   // after the last merge's result
};

Result<BpeMerges> read_merges(const GgufFile& file, const Vocabulary& vocabulary) {
  WEFT_TRY(lines, file.strings(tokenizer_key("merges")));
  MergeReader reader(vocabulary, lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Result<void> added = reader.add(lines[i]);
    if (!added) {
      return Error{added.error().code, "merge " + std::to_string(i) + " (" + quoted(lines[i]) +
                                           ") " + added.error().message};
    }
  }
  return std::move(reader).take();
}

Result<void> refuse_byte_tokens(const Vocabulary& vocabulary) {
  for (std::size_t i = 0; i < vocabulary.kinds.size(); ++i) {
    if (vocabulary.kinds[i] != TokenKind::kByte) continue;
    return Error{ErrorCode::kUnsupported,
                 "token " + std::to_string(i) +
                     " is a byte token, which a byte-level vocabulary has no use for"};
  }
  return {};
}

}  // namespace

std::optional<std::string> bytes_of_gpt2_text(std::string_view text) {
  std::string bytes;
  if (!append_bytes(bytes, text)) return std::nullopt;
  return bytes;
}

Result<BpeVocabulary> read_bpe_vocabulary(const GgufFile& file) {
  WEFT_TRY(name, file.string(tokenizer_key("pre")));
  const auto splitter = bpe_splitter(name);
  if (!splitter) {
    return Error{ErrorCode::kUnsupported, "tokenizer splitter (" + tokenizer_key("pre") + ") " +
                                              quoted(name) + " in " + file.path().string() +
                                              ": this build knows " + bpe_splitter_names()};
  }
  WEFT_TRY(vocabulary, read_vocabulary(file, {.append_meaning = append_token,
                                              .adds_bos = *splitter == BpeSplitter::kLlama3}));
  WEFT_TRY_VOID(refuse_byte_tokens(vocabulary));
  WEFT_TRY(merges, read_merges(file, vocabulary));
  return BpeVocabulary{std::move(vocabulary), std::move(merges), *splitter, std::string(name)};
}

}  // namespace weft::inference
