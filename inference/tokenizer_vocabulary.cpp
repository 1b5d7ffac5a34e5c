#include "inference/tokenizer_vocabulary.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/utf8.h"

namespace weft::inference {
namespace {

// Many times the largest vocabulary in use; ids stay far inside TokenId.
constexpr std::size_t kTokensMax = TokenTable::kTokensMax;

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

Error corrupt(std::string text) { return {ErrorCode::kCorrupt, std::move(text)}; }

std::string token_name(std::size_t id) { return "token " + std::to_string(id); }

Result<std::vector<TokenKind>> read_kinds(const GgufFile& file, std::size_t tokens) {
  std::vector<TokenKind> kinds(tokens, TokenKind::kNormal);
  const std::string key = tokenizer_key("token_type");
  if (!file.has(key)) return kinds;
  WEFT_TRY(types, file.integers(key));
  if (types.size() != tokens) {
    return corrupt(key + " has " + std::to_string(types.size()) + " entries for " +
                   std::to_string(tokens) + " tokens");
  }
  for (std::size_t i = 0; i < tokens; ++i) {
    if (types[i] < 1 || types[i] > 6) {
      return corrupt(token_name(i) + " has the unknown type " + std::to_string(types[i]));
    }
    kinds[i] = static_cast<TokenKind>(types[i]);
  }
  return kinds;
}

// Normal tokens are indexed first: where a special token's text reads the same once it stands for
// bytes, it is text that merges must find.
Result<TokenTable> read_table(const std::vector<std::string_view>& texts,
                              const std::vector<TokenKind>& kinds, const VocabularyRules& rules) {
  std::size_t bytes_max = 0;
  for (const std::string_view text : texts) bytes_max += text.size();
  TokenTable table(texts.size(), bytes_max);
  std::string bytes;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    bytes.clear();
    rules.append_meaning(bytes, texts[i], kinds[i]);
    table.append(bytes);
  }
  for (const bool normal : {true, false}) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if ((kinds[i] == TokenKind::kNormal) != normal || texts[i].empty()) continue;
      if (kinds[i] == TokenKind::kByte) continue;
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

Result<std::optional<TokenId>> read_id(const GgufFile& file, std::string_view name,
                                       std::size_t tokens) {
  const std::string key = tokenizer_key(name);
  if (!file.has(key)) return std::optional<TokenId>();
  WEFT_TRY(id, file.unsigned_integer(key));
  if (id >= tokens) {
    // Some writers put 2^32 - 1 for "none".
    if (id == std::numeric_limits<std::uint32_t>::max()) return std::optional<TokenId>();
    return corrupt(key + " is " + std::to_string(id) + ", but there are " + std::to_string(tokens) +
                   " tokens");
  }
  return std::optional<TokenId>(static_cast<TokenId>(id));
}

// Before merges are read: a token that ends answers is a control token.
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

}  // namespace

std::string tokenizer_key(std::string_view name) {
  return std::string("tokenizer.ggml.").append(name);
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownBytesMax = 80;
  std::string shown = repair_utf8(text.substr(0, kShownBytesMax));
  return "\"" + shown + (text.size() > kShownBytesMax ? "...\"" : "\"");
}

Result<Vocabulary> read_vocabulary(const GgufFile& file, const VocabularyRules& rules) {
  WEFT_TRY(texts, file.strings(tokenizer_key("tokens")));
  if (texts.empty() || texts.size() > kTokensMax) {
    return corrupt(tokenizer_key("tokens") + " has " + std::to_string(texts.size()) +
                   " entries; 1 to " + std::to_string(kTokensMax) + " are possible");
  }
  WEFT_TRY(kinds, read_kinds(file, texts.size()));
  WEFT_TRY(table, read_table(texts, kinds, rules));
  mark_ends(table, kinds);
  WEFT_TRY(bos, read_id(file, "bos_token_id", texts.size()));
  WEFT_TRY(eos, read_id(file, "eos_token_id", texts.size()));
  WEFT_TRY(unknown, read_id(file, "unknown_token_id", texts.size()));
  WEFT_TRY(ends, read_ends(file, table));
  bool adds_bos = rules.adds_bos;
  if (file.has(tokenizer_key("add_bos_token"))) {
    WEFT_TRY(stored, file.boolean(tokenizer_key("add_bos_token")));
    adds_bos = stored;
  }
  return Vocabulary{std::move(table), std::move(kinds), bos, eos, unknown,
                    adds_bos,         std::move(ends)};
}

}  // namespace weft::inference
