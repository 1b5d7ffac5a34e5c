#include "inference/remote/capabilities.h"

#include <array>

namespace weft::inference {

std::string_view to_string(Capability capability) noexcept {
  static constexpr std::array<std::string_view, kCapabilities> kNames = {
      "chat",
      "raw prompts",
      "streaming",
      "JSON Schemas",
      "tools",
      "log-probabilities of the answer",
      "embeddings",
      "scores of a prompt's tokens",
      "token ids",
      "a beginning for the model's turn",
      "grammars and regular expressions",
      "changes to logits",
      "a limit on thinking",
      "untrusted text whose control tokens are not parsed",
      "forks",
      "taps",
      "the same bits again",
      "options of the engine"};
  return kNames[static_cast<std::size_t>(capability)];
}

Capabilities remote_capabilities() {
  return {Capability::kChat,       Capability::kTextCompletion, Capability::kStreaming,
          Capability::kJsonSchema, Capability::kTools,          Capability::kLogProbabilities,
          Capability::kEmbeddings};
}

}  // namespace weft::inference
