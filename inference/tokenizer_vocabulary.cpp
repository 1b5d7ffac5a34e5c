#include "inference/tokenizer_vocabulary.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace weft::inference {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";
// Many times the largest vocabulary in use; ids stay far inside TokenId.
constexpr std::size_t kTokensMax = 1 << 24;

// Tokens that end an answer in some model family, whatever the metadata says of them: files made
// with the wrong type for them are common.
constexpr std::string_view kEndTexts[] = {"<|im_end|>",
                                          "<|endoftext|>",
                                          "<|eot_id|>",
                                          "<|eom_id|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|calls|>",
                                          "<|flush|>",
                                          "<|end_of_text|>",
                                          "<end_of_turn>",
                                          "<end_of_utterance>",
                                          "<turn|>",
                                          "<|tool_response>",
                                          "</s>",
                                          "<eos>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "[EOS]",
                                          "[e~[",
                                          "<|fim_pad|>",
                                          "<|repo_name|>",
                                          "<|file_sep|>",
                                          "<｜end▁of▁sentence｜>"};

std::string key(std::string_view name) { return std::string(kPrefix).append(name); }

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownBytesMax = 80;
  std::string shown = repair_utf8(text.substr(0, kShownBytesMax));
  return "\"" + shown + (text.size() > kShownBytesMax ? "...\"" : "\"");
}

Error corrupt(std::string text) { return {ErrorCode::kCorrupt, std::move(text)}; }

std::string token_name(std::size_t id) { return "token " + std::to_string(id); }

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

// ---- parts of the vocabulary

Result<std::vector<TokenKind>> read_kinds(const GgufFile& file, std::size_t tokens) {
  std::vector<TokenKind> kinds(tokens, TokenKind::kNormal);
  if (!file.has(key("token_type"))) return kinds;
  WEFT_TRY(types, file.integers(key("token_type")));
  if (types.size() != tokens) {
    return corrupt(key("token_type") + " has " + std::to_string(types.size()) + " entries for " +
                   std::to_string(tokens) + " tokens");
  }
  for (std::size_t i = 0; i < tokens; ++i) {
    if (types[i] < 1 || types[i] > 6) {
      return corrupt(token_name(i) + " has the unknown type " + std::to_string(types[i]));
    }
    kinds[i] = static_cast<TokenKind>(types[i]);
    if (kinds[i] == TokenKind::kByte) {
      return Error{
          ErrorCode::kUnsupported,
          token_name(i) + " is a byte token, which a byte-level vocabulary has no use for"};
    }
  }
  return kinds;
}

// Normal tokens are indexed first: where a special token's text reads the same after the bytes'
// stand-ins were undone, it is text that merges must find.
Result<TokenTable> read_table(const std::vector<std::string_view>& texts,
                              const std::vector<TokenKind>& kinds) {
  std::size_t bytes_max = 0;
  for (const std::string_view text : texts) bytes_max += text.size();
  TokenTable table(texts.size(), bytes_max);
  std::string bytes;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    bytes.clear();
    if (kinds[i] == TokenKind::kNormal) {
      append_meaning(bytes, texts[i]);
    } else {
      bytes += texts[i];
    }
    table.append(bytes);
  }
  for (const bool normal : {true, false}) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if ((kinds[i] == TokenKind::kNormal) != normal || texts[i].empty()) continue;
      WEFT_TRY(holder, table.index(static_cast<TokenId>(i)));
      const auto other = static_cast<std::size_t>(holder);
      if (other != i && texts[other] == texts[i]) {
        return corrupt(token_name(i) + " and " + token_name(other) + " are both " +
                       quoted(texts[i]));
      }
    }
  }
  return table;
}

// Adds one merge after another. They mostly stand in the order of the tokens they make, which
// saves looking those up.
class MergeReader {
 public:
  MergeReader(const TokenTable& table, const std::vector<TokenKind>& kinds, std::size_t merges)
      : table_(table), kinds_(kinds), merges_(byte_tokens(), merges) {}

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
    if (!is_text(left) || !is_text(right) || !is_text(result)) return {};
    return merges_.add(left, right, result);
  }
  BpeMerges take() && { return std::move(merges_); }

 private:
  bool is_text(TokenId id) const {
    const TokenKind kind = kinds_[static_cast<std::size_t>(id)];
    return kind != TokenKind::kControl && kind != TokenKind::kUnknown;
  }
  bool next_is(std::string_view text) const {
    return static_cast<std::size_t>(next_) < table_.size() && table_.text(next_) == text &&
           kinds_[static_cast<std::size_t>(next_)] == TokenKind::kNormal;
  }
  Result<TokenId> find(std::string_view text) const {
    const auto id = table_.find(text);
    if (!id) return corrupt("refers to " + quoted(text) + ", which isn't in the vocabulary");
    return *id;
  }
  std::array<TokenId, 256> byte_tokens() const {
    std::array<TokenId, 256> tokens;
    for (std::size_t byte = 0; byte < tokens.size(); ++byte) {
      const char text = static_cast<char>(byte);
      const auto id = table_.find({&text, 1});
      tokens[byte] = id && is_text(*id) ? *id : BpeMerges::kNone;
    }
    return tokens;
  }

  const TokenTable& table_;
  const std::vector<TokenKind>& kinds_;
  BpeMerges merges_;
  std::string bytes_;  // of the merge being read
  TokenId next_ = 0;   // after the last merge's result
};

Result<BpeMerges> read_merges(const GgufFile& file, const TokenTable& table,
                              const std::vector<TokenKind>& kinds) {
  WEFT_TRY(lines, file.strings(key("merges")));
  MergeReader reader(table, kinds, lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Result<void> added = reader.add(lines[i]);
    if (!added) {
      return Error{added.error().code, "merge " + std::to_string(i) + " (" + quoted(lines[i]) +
                                           ") " + added.error().message};
    }
  }
  return std::move(reader).take();
}

Result<std::optional<TokenId>> read_id(const GgufFile& file, std::string_view name,
                                       std::size_t tokens) {
  if (!file.has(key(name))) return std::optional<TokenId>();
  WEFT_TRY(id, file.unsigned_integer(key(name)));
  if (id >= tokens) {
    // Some writers put 2^32 - 1 for "none".
    if (id == std::numeric_limits<std::uint32_t>::max()) return std::optional<TokenId>();
    return corrupt(key(name) + " is " + std::to_string(id) + ", but there are " +
                   std::to_string(tokens) + " tokens");
  }
  return std::optional<TokenId>(static_cast<TokenId>(id));
}

// Before the merges are read: a token that ends answers is a control token.
void mark_ends(const TokenTable& table, std::vector<TokenKind>& kinds) {
  for (const std::string_view text : kEndTexts) {
    const auto id = table.find(text);
    if (id) kinds[static_cast<std::size_t>(*id)] = TokenKind::kControl;
  }
}

Result<std::vector<TokenId>> read_ends(const GgufFile& file, const TokenTable& table) {
  std::vector<TokenId> ends;
  for (const std::string_view name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    WEFT_TRY(id, read_id(file, name, table.size()));
    if (id) ends.push_back(*id);
  }
  for (const std::string_view text : kEndTexts) {
    const auto id = table.find(text);
    if (!id) continue;
    ends.push_back(*id);
  }
  std::ranges::sort(ends);
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

Result<BpeSplitter> read_splitter(const GgufFile& file, std::string_view model,
                                  std::string_view name) {
  if (model != "gpt2") {
    return Error{ErrorCode::kUnsupported, "tokenizer model " + quoted(model) + " in " +
                                              file.path().string() +
                                              ": this build reads \"gpt2\" (byte-level BPE)"};
  }
  const auto splitter = bpe_splitter(name);
  if (!splitter) {
    return Error{ErrorCode::kUnsupported, "tokenizer splitter (" + key("pre") + ") " +
                                              quoted(name) + " in " + file.path().string() +
                                              ": this build knows \"smollm\" and \"qwen2\""};
  }
  return *splitter;
}

}  // namespace

std::optional<std::string> bytes_of_gpt2_text(std::string_view text) {
  std::string bytes;
  if (!append_bytes(bytes, text)) return std::nullopt;
  return bytes;
}

Result<BpeVocabulary> read_bpe_vocabulary(const GgufFile& file) {
  WEFT_TRY(model, file.string(key("model")));
  WEFT_TRY(splitter_name, model == "gpt2" ? file.string(key("pre")) : std::string_view());
  WEFT_TRY(splitter, read_splitter(file, model, splitter_name));
  WEFT_TRY(texts, file.strings(key("tokens")));
  if (texts.empty() || texts.size() > kTokensMax) {
    return corrupt(key("tokens") + " has " + std::to_string(texts.size()) + " entries; 1 to " +
                   std::to_string(kTokensMax) + " are possible");
  }
  WEFT_TRY(kinds, read_kinds(file, texts.size()));
  WEFT_TRY(table, read_table(texts, kinds));
  mark_ends(table, kinds);
  WEFT_TRY(merges, read_merges(file, table, kinds));
  WEFT_TRY(bos, read_id(file, "bos_token_id", texts.size()));
  WEFT_TRY(eos, read_id(file, "eos_token_id", texts.size()));
  WEFT_TRY(ends, read_ends(file, table));
  bool adds_bos = false;
  if (file.has(key("add_bos_token"))) {
    WEFT_TRY(stored, file.boolean(key("add_bos_token")));
    adds_bos = stored;
  }
  return BpeVocabulary{std::move(table),
                       std::move(kinds),
                       std::move(merges),
                       splitter,
                       std::string(splitter_name),
                       bos,
                       eos,
                       adds_bos,
                       std::move(ends)};
}

}  // namespace weft::inference
