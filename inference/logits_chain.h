#pragma once
// The steps that change one answer's logits, carried out: the one boundary that code of the caller
// passes, where its exceptions become errors. Private to inference.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "inference/logits_processor.h"
#include "inference/token.h"

namespace weft::inference {

class LogitsChain {
 public:
  LogitsChain() = default;  // changes nothing

  /// Clones the processors. Errors: those of validate(); kInternal if a clone() throws or is null.
  static Result<LogitsChain> open(std::span<const LogitsStep> steps, std::size_t vocabulary);

  bool empty() const noexcept { return steps_.empty(); }
  bool can_roll_back() const noexcept;  // all of it can

  /// The protocol of LogitsProcessor, for all of them in order. Errors: a processor's own;
  /// kInternal with its message if it throws.
  Result<void> begin(std::span<const TokenId> tokens, std::size_t rows);
  Result<void> apply(const LogitsRow& row);
  /// The tokens whose logits alone decide what apply() of `row`, which comes next, leaves: a bit an
  /// id, borrowed until the next call. Empty: all. `row` has no logits.
  std::span<const std::uint64_t> needed(const LogitsRow& row);
  /// Of the rows begun, the first `kept` are committed and `dropped` ones rolled back.
  Result<void> settle(std::size_t kept, std::size_t dropped);
  /// What the first processor that leaves no choice says has to come; empty if none does.
  Result<std::string> forced(std::span<const TokenId> tokens, std::size_t bytes_max);

 private:
  bool can_need_few() const noexcept;  // whether needed() is ever anything

  using Step = std::variant<LogitBias, TokenMask, Penalties, std::unique_ptr<LogitsProcessor>>;
  std::vector<Step> steps_;
  std::size_t vocabulary_ = 0;
  std::vector<std::uint64_t> needed_;
};

}  // namespace weft::inference
