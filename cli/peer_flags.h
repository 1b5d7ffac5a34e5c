#pragma once
// The flags that have other models choose each token together with the model of a completion.

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/context.h"
#include "inference/logits_processor.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct PeerFlags {
  std::string expert;
  std::string anti_expert;
  float alpha = 1;
};

/// `flags` must outlive the parsing.
void add_peer_flags(CLI::App& verb, PeerFlags& flags);

/// Loads what the flags name; the first step of an answer's chain, for all answers of a run, or
/// none. Errors: those of loading a model and of logit_arithmetic().
Result<std::optional<inference::LogitsStep>> peer_step(const Context& context, const Engine& base,
                                                       const PeerFlags& flags);

}  // namespace weft::cli
