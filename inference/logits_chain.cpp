#include "inference/logits_chain.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::inference {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

float& logit(const LogitsRow& row, TokenId id) { return row.logits[static_cast<std::size_t>(id)]; }

void change(const LogitBias& bias, const LogitsRow& row) {
  for (const LogitBias::Entry& entry : bias.entries) logit(row, entry.id) += entry.value;
}

void change(const TokenMask& mask, const LogitsRow& row) {
  if (mask.listed == TokenMask::Ids::kDenied) {
    for (const TokenId id : mask.ids) logit(row, id) = kForbidden;
    return;
  }
  std::vector<float> allowed;
  allowed.reserve(mask.ids.size());
  for (const TokenId id : mask.ids) allowed.push_back(logit(row, id));
  std::ranges::fill(row.logits, kForbidden);
  for (std::size_t i = 0; i < allowed.size(); ++i) logit(row, mask.ids[i]) = allowed[i];
}

/// Calls each(id, how often `tokens` have it) once for each of them.
template <typename Each>
void count(std::span<const TokenId> tokens, const Each& each) {
  std::vector<TokenId> sorted(tokens.begin(), tokens.end());
  std::ranges::sort(sorted);
  for (auto it = sorted.begin(); it != sorted.end();) {
    const auto end = std::upper_bound(it, sorted.end(), *it);
    each(*it, static_cast<float>(end - it));
    it = end;
  }
}

void change(const Penalties& penalties, const LogitsRow& row) {
  if (penalties.repeat != 1) {
    const std::size_t n = std::min(penalties.repeat_last, row.tokens.size());
    count(row.tokens.last(n), [&](TokenId id, float) {
      float& value = logit(row, id);
      value = value > 0 ? value / penalties.repeat : value * penalties.repeat;
    });
  }
  if (penalties.presence != 0 || penalties.frequency != 0) {
    count(row.tokens.subspan(row.prompt_tokens), [&](TokenId id, float times) {
      logit(row, id) -= penalties.presence + times * penalties.frequency;
    });
  }
}

/// What a processor returns, or throws.
template <typename Call>
auto guarded(const char* what, const Call& call) -> std::invoke_result_t<Call> {
  const auto thrown = [&](const char* message) {
    return Error{ErrorCode::kInternal,
                 std::string("a logits processor threw in ") + what + ": " + message};
  };
  try {
    return call();
  } catch (const std::exception& exception) {
    return thrown(exception.what());
  } catch (...) {
    return thrown("not a std::exception");
  }
}

/// call(processor) for each step that is one.
template <typename Steps, typename Call>
Result<void> each_processor(Steps& steps, const char* what, const Call& call) {
  for (auto& step : steps) {
    auto* processor = std::get_if<std::unique_ptr<LogitsProcessor>>(&step);
    if (processor == nullptr) continue;
    WEFT_TRY_VOID(guarded(what, [&] { return call(**processor); }));
  }
  return {};
}

}  // namespace

Result<LogitsChain> LogitsChain::open(std::span<const LogitsStep> steps, std::size_t vocabulary) {
  WEFT_TRY_VOID(validate(steps, vocabulary));
  LogitsChain chain;
  chain.vocabulary_ = vocabulary;
  for (const LogitsStep& step : steps) {
    if (const auto* processor = std::get_if<std::shared_ptr<const LogitsProcessor>>(&step)) {
      using Owned = std::unique_ptr<LogitsProcessor>;
      WEFT_TRY(own, guarded("clone()", [&]() -> Result<Owned> { return (*processor)->clone(); }));
      if (own == nullptr) {
        return Error{ErrorCode::kInternal, "a logits processor's clone() gave nothing"};
      }
      chain.steps_.emplace_back(std::move(own));
    } else {
      std::visit(
          [&](const auto& data) {
            if constexpr (std::is_constructible_v<Step, decltype(data)>) {
              chain.steps_.emplace_back(data);
            }
          },
          step);
    }
  }
  return chain;
}

bool LogitsChain::can_roll_back() const noexcept {
  return std::ranges::all_of(steps_, [](const Step& step) {
    const auto* processor = std::get_if<std::unique_ptr<LogitsProcessor>>(&step);
    return processor == nullptr || (*processor)->capabilities().can_roll_back;
  });
}

/// Masks: data, or code that knows beforehand. Biases and penalties change each token by itself.
bool LogitsChain::can_need_few() const noexcept {
  bool masks = false;
  for (const Step& step : steps_) {
    if (const auto* processor = std::get_if<std::unique_ptr<LogitsProcessor>>(&step)) {
      if ((*processor)->capabilities().needs_all_logits) return false;
      masks = true;
    }
    const auto* mask = std::get_if<TokenMask>(&step);
    masks |= mask != nullptr && mask->listed == TokenMask::Ids::kAllowed;
  }
  return masks;
}

std::span<const std::uint64_t> LogitsChain::needed(const LogitsRow& row) {
  if (!can_need_few()) return {};
  needed_.clear();
  const auto restrict = [&](std::span<const std::uint64_t> allowed) {
    if (needed_.empty()) return needed_.assign(allowed.begin(), allowed.end());
    for (std::size_t i = 0; i < needed_.size(); ++i) {
      needed_[i] &= i < allowed.size() ? allowed[i] : 0;
    }
  };
  for (Step& step : steps_) {
    if (auto* processor = std::get_if<std::unique_ptr<LogitsProcessor>>(&step)) {
      const auto allowed = guarded("allowed()", [&] { return (*processor)->allowed(row); });
      if (!allowed) return {};  // apply() will say it
      if (!allowed->empty()) restrict(*allowed);
    } else if (const auto* mask = std::get_if<TokenMask>(&step);
               mask != nullptr && mask->listed == TokenMask::Ids::kAllowed) {
      std::vector<std::uint64_t> bits((vocabulary_ + 63) / 64);
      for (const TokenId id : mask->ids) bits[static_cast<std::size_t>(id) / 64] |= 1ULL << id % 64;
      restrict(bits);
    }
  }
  return needed_;
}

Result<void> LogitsChain::begin(std::span<const TokenId> tokens, std::size_t rows) {
  return each_processor(steps_, "begin()",
                        [&](LogitsProcessor& each) { return each.begin(tokens, rows); });
}

Result<void> LogitsChain::apply(const LogitsRow& row) {
  for (Step& step : steps_) {
    if (auto* processor = std::get_if<std::unique_ptr<LogitsProcessor>>(&step)) {
      WEFT_TRY_VOID(guarded("apply()", [&] { return (*processor)->apply(row); }));
    } else if (const auto* bias = std::get_if<LogitBias>(&step)) {
      change(*bias, row);
    } else if (const auto* mask = std::get_if<TokenMask>(&step)) {
      change(*mask, row);
    } else {
      change(std::get<Penalties>(step), row);
    }
  }
  return {};
}

Result<void> LogitsChain::settle(std::size_t kept, std::size_t dropped) {
  WEFT_TRY_VOID(
      each_processor(steps_, "commit()", [&](LogitsProcessor& each) { return each.commit(kept); }));
  if (dropped == 0) return {};
  return each_processor(steps_, "rollback()",
                        [&](LogitsProcessor& each) { return each.rollback(dropped); });
}

Result<std::string> LogitsChain::forced(std::span<const TokenId> tokens, std::size_t bytes_max) {
  std::string text;
  WEFT_TRY_VOID(each_processor(steps_, "forced()", [&](LogitsProcessor& each) -> Result<void> {
    if (text.empty()) text = each.forced(tokens, bytes_max);
    return {};
  }));
  return text;
}

}  // namespace weft::inference
