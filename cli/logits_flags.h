#pragma once
// The flags and batch keys that change logits: biases, penalties, momentum and blocked n-grams.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/batch.h"
#include "cli/context.h"
#include "inference/logits_processor.h"
#include "inference/tokenizer.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct LogitsFlags {
  std::vector<std::string> bias;  // "ID=VALUE"
  inference::Penalties penalties;
  float momentum = 0;         // its alpha; 0 = off
  std::string blocked_text;   // a file; empty: none
  std::size_t blocked_n = 5;  // tokens in a row of it
};

/// The keys that a batch line may have for them.
std::span<const char* const> logits_keys() noexcept;

/// `flags` must outlive the parsing.
void add_logits_flags(CLI::App& verb, LogitsFlags& flags);

/// What the flags ask for; none for their defaults. Errors: kInvalidArgument for a malformed bias.
Result<std::vector<inference::LogitsStep>> logits_steps(const LogitsFlags& flags);
/// The same for a batch line, whose keys go before the flags. Errors: kInvalidArgument names the
/// key.
Result<std::vector<inference::LogitsStep>> logits_steps(const BatchLine& line,
                                                        const LogitsFlags& flags);

/// What --block-ngrams asks for, the same for all lines; nothing without it. Errors: those of
/// read_input() and block_ngrams().
Result<std::optional<inference::LogitsStep>> blocking_step(const Context& context,
                                                           const LogitsFlags& flags,
                                                           const inference::Tokenizer& tokenizer);

}  // namespace weft::cli
