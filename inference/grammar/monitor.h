#pragma once
// Constraints that code follows along an answer, by its text: where certain strings have to come,
// and which. Names of tools, identifiers of a program, values of an enumeration are such strings.
// Source: Agrawal et al. 2023 (Monitor-Guided Decoding of Code LMs), section 3.

#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/grammar/token_trie.h"
#include "inference/logits_processor.h"

namespace weft::inference::grammar {

/// Before each token of the answer: pre(), allow(); after it: update(). What it throws ends the
/// answer as an Error.
class Monitor {
 public:
  virtual ~Monitor() = default;
  /// An object of its own in the same state: each token of a draft gets one.
  virtual std::unique_ptr<Monitor> clone() const = 0;
  /// A token is to be drawn after `text`, the prompt and the answer so far, control tokens left
  /// out; it may end within a character.
  virtual void pre(std::string_view text) = 0;
  /// Sets the bits of the tokens that may come; all are 0 before.
  virtual void allow(std::span<std::uint64_t> bits) const = 0;
  /// The bytes of the token drawn; none for one that isn't text.
  virtual void update(std::string_view piece) = 0;
};

/// A monitor as a step of the logits chain; thinking is free. Its answer ends with kUnsupported if
/// no token may come: none is drawn then.
std::shared_ptr<const LogitsProcessor> watch(std::shared_ptr<const Monitor> monitor,
                                             std::shared_ptr<const TokenTrie> trie);

struct NameMonitorOptions {
  /// After this text a name has to come. A token that would run on beyond it isn't drawn.
  std::string trigger;
  /// The names that may come where `text` ends with the trigger; none: anything may.
  std::function<std::vector<std::string>(std::string_view text)> names;
  /// Bytes that would go on with a name: whatever else follows it ends it.
  std::bitset<256> of_names = identifier_bytes();

  static std::bitset<256> identifier_bytes();  // letters, digits, _, what isn't ASCII
};

/// Everything is free but what follows the trigger: one of the names whole, then a byte that ends
/// it, or the answer's end. `trie` is that of watch(). Errors: kInvalidArgument without names, or
/// for a trigger that is empty or has more than 256 bytes.
Result<std::shared_ptr<const Monitor>> name_monitor(NameMonitorOptions options,
                                                    std::shared_ptr<const TokenTrie> trie);

}  // namespace weft::inference::grammar
