#include "inference/logits_processor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace weft::inference {
namespace {

Error refusal(const std::string& reason) { return {ErrorCode::kInvalidArgument, reason}; }

Result<void> check_id(TokenId id, std::size_t vocabulary) {
  if (id >= 0 && static_cast<std::size_t>(id) < vocabulary) return {};
  return refusal("token " + std::to_string(id) + " is outside the vocabulary of " +
                 std::to_string(vocabulary));
}

Result<void> check(const LogitBias& bias, std::size_t vocabulary) {
  for (const LogitBias::Entry& entry : bias.entries) {
    WEFT_TRY_VOID(check_id(entry.id, vocabulary));
    if (std::isfinite(entry.value) || entry.value == -std::numeric_limits<float>::infinity()) {
      continue;
    }
    return refusal("the bias of token " + std::to_string(entry.id) + " is " +
                   std::to_string(entry.value) + "; it must be finite, or -infinity to forbid it");
  }
  return {};
}

Result<void> check(const TokenMask& mask, std::size_t vocabulary) {
  for (const TokenId id : mask.ids) WEFT_TRY_VOID(check_id(id, vocabulary));
  if (mask.listed == TokenMask::Ids::kAllowed && mask.ids.empty()) {
    return refusal("the mask allows no token");
  }
  return {};
}

Result<void> check(const Penalties& penalties, std::size_t) {
  if (!(penalties.repeat > 0) || std::isinf(penalties.repeat)) {
    return refusal("the repetition penalty is " + std::to_string(penalties.repeat) +
                   "; it must be above 0, and 1 changes nothing");
  }
  if (std::isfinite(penalties.presence) && std::isfinite(penalties.frequency)) return {};
  return refusal("presence and frequency penalty must be finite");
}

Result<void> check(const std::shared_ptr<const LogitsProcessor>& processor, std::size_t) {
  return processor != nullptr ? Result<void>() : refusal("the processor is null");
}

bool needs_all_logits(const LogitsStep& step) {
  const auto* processor = std::get_if<std::shared_ptr<const LogitsProcessor>>(&step);
  return processor != nullptr && (*processor)->capabilities().needs_all_logits;
}

}  // namespace

Result<std::span<const std::uint64_t>> LogitsProcessor::allowed(const LogitsRow&) {
  return std::span<const std::uint64_t>();
}

Result<void> validate(std::span<const LogitsStep> steps, std::size_t vocabulary) {
  bool masked = false;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto checked = std::visit([&](const auto& step) { return check(step, vocabulary); }, steps[i]);
    if (checked && masked && needs_all_logits(steps[i])) {
      checked = refusal("this processor needs all logits, so it must stand before the mask");
    }
    if (!checked) {
      return std::move(checked).error().with_context("logits step " + std::to_string(i));
    }
    masked |= std::holds_alternative<TokenMask>(steps[i]);
  }
  return {};
}

}  // namespace weft::inference
