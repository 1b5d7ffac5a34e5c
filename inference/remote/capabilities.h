#pragma once
// What a model can be asked for. One in this process can do all of it; one behind a network says
// what it can't, so that a request for that is refused with its name and not done halfway.

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace weft::inference {

enum class Capability : std::uint8_t {
  kChat,
  kTextCompletion,    // of a raw prompt
  kStreaming,         // text as it comes
  kJsonSchema,        // answers held to a JSON Schema
  kTools,             // calls with streamed arguments
  kLogProbabilities,  // of the answer's tokens
  kEmbeddings,
  kPromptScores,   // how likely it finds a part of the prompt
  kTokenIds,       // prompts and answers as tokens, and how many there are beforehand
  kPrefill,        // the beginning of its own turn
  kGrammars,       // grammars and regular expressions
  kLogits,         // processors and biases of logits
  kThinkCap,       // a limit on thinking apart from that on the answer
  kTrustedSpans,   // control tokens in untrusted text are never parsed as such
  kForks,          // sessions that share what was read
  kTaps,           // hidden states
  kExactness,      // the same bits again
  kEngineOptions,  // threads, kinds of keys and values, drafts, caches
};
inline constexpr std::size_t kCapabilities = 18;

/// In words, such as "grammars and regular expressions".
std::string_view to_string(Capability capability) noexcept;

class Capabilities {
 public:
  constexpr Capabilities() = default;
  Capabilities(std::initializer_list<Capability> held) {
    for (const Capability each : held) bits_.set(static_cast<std::size_t>(each));
  }
  bool has(Capability capability) const { return bits_.test(static_cast<std::size_t>(capability)); }

  friend bool operator==(const Capabilities&, const Capabilities&) = default;

 private:
  std::bitset<kCapabilities> bits_;
};

/// What the OpenAI protocol carries.
Capabilities remote_capabilities();

}  // namespace weft::inference
