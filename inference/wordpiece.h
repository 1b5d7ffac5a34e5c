#pragma once
// BERT's uncased WordPiece: text to the ids that sentence encoders read. Ids equal those of Hugging
// Face's BertTokenizer, except that "[SEP]" and its like in the text are text, and for 568 marks and
// punctuation characters that are newer than its Unicode 8.
// Source: Devlin et al. 2019, Wu et al. 2016 (section 4.1).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/token.h"
#include "inference/token_table.h"

namespace weft::inference {

/// Immutable after parse(); const members may run at once.
class WordPiece {
 public:
  struct EncodeOptions {
    bool add_special = true;  // [CLS] before and [SEP] after
  };

  /// One token a line, its id the line's number from 0; "##" starts a token that continues a word.
  /// Errors: kCorrupt for an empty or repeated line, or without [UNK], [CLS] or [SEP].
  static Result<WordPiece> parse(std::string_view vocabulary);
  /// bert-base-uncased: 30,522 tokens, the vocabulary of MiniLM and many other encoders.
  static WordPiece bert_base_uncased();

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const;
  std::vector<TokenId> encode(std::string_view text) const { return encode(text, {}); }
  /// How many tokens encode() gives for `text` without [CLS] and [SEP].
  std::size_t count(std::string_view text) const;

  std::size_t size() const noexcept { return tokens_.size(); }
  std::string_view piece(TokenId id) const noexcept;  // with its "##"; empty for unknown ids

 private:
  explicit WordPiece(TokenTable tokens) : tokens_(std::move(tokens)) {}
  template <typename Sink>
  void for_each_token(std::string_view text, Sink sink) const;
  template <typename Sink>
  void split_word(std::string& word, Sink sink) const;

  TokenTable tokens_;
  std::size_t token_bytes_max_ = 0;
  TokenId unknown_ = 0;
  TokenId start_ = 0;
  TokenId end_ = 0;
};

/// The text of vocab.txt that bert_base_uncased() parses; part of the library.
std::string_view bert_base_uncased_vocabulary() noexcept;

}  // namespace weft::inference
