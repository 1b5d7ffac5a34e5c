#pragma once
// A grammar as a step of the logits chain: of the answer's tokens only those stay that the grammar
// can go on with, and the end only where the text is whole. Thinking before the answer is free.
// A limit of tokens still cuts an answer short: then finish_reason is "length".

#include <memory>
#include <optional>

#include "base/result.h"
#include "inference/grammar/automaton.h"
#include "inference/grammar/token_trie.h"
#include "inference/logits_processor.h"

namespace weft::inference::grammar {

struct ConstraintOptions {
  /// The answer's: what opens thinking is allowed as its first token.
  std::optional<ThinkSpan> think;
};

/// The trie is shared by all constraints of a vocabulary, the automaton by all of a grammar.
std::shared_ptr<const LogitsProcessor> constrain(std::shared_ptr<const Automaton> automaton,
                                                 std::shared_ptr<const TokenTrie> trie,
                                                 const ConstraintOptions& options = {});

/// Makes the logits of tokens whose bit isn't set -infinity; those beyond `bits` too.
void apply_mask(std::span<const std::uint64_t> bits, std::span<float> logits);

}  // namespace weft::inference::grammar
