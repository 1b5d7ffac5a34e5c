#include "inference/hooks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <exception>
#include <string>
#include <utility>

#include "inference/model_config.h"

namespace weft::inference {
namespace {

constexpr std::array<std::string_view, 9> kPointNames = {
    "layer_in",     "attn_norm_out",  "attn_mix", "attn_out", "ffn_in",
    "ffn_norm_out", "ffn_activation", "ffn_out",  "layer_out"};

bool is_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

Result<void> check(const Tap& tap, const ModelConfig& config) {
  const auto refuse = [](const std::string& reason) {
    return Error{ErrorCode::kInvalidArgument, reason};
  };
  if (tap.layer >= config.layers) {
    return refuse("there is no layer " + std::to_string(tap.layer) + "; the model has " +
                  std::to_string(config.layers));
  }
  if ((tap.read == nullptr) == (tap.write == nullptr)) {
    return refuse("a tap either reads or writes: set one of both");
  }
  if (tap.write && tap.rows != Tap::Rows::kAll) {
    return refuse(
        "a tap that writes needs all rows: which of a prompt's rows are wanted depends on how it "
        "is read");
  }
  return {};
}

Result<void> check(const HeadRows& head, const ModelConfig& config) {
  if (head.count > kHeadRowsMax || head.weights.size() != head.count * config.width) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(head.weights.size()) +
                                                  " weights aren't " + std::to_string(head.count) +
                                                  " head rows of the model's width, " +
                                                  std::to_string(config.width) + "; there can be " +
                                                  std::to_string(kHeadRowsMax)};
  }
  if (is_finite(head.weights)) return {};
  return Error{ErrorCode::kInvalidArgument, "a weight of the head rows isn't finite"};
}

Error refusal(std::string reason) { return {ErrorCode::kInvalidArgument, std::move(reason)}; }

Result<void> check(const AttentionPolicy& policy, const ModelConfig& config) {
  if (policy.sinks == 0 || policy.window != 0) {
    if (std::max(policy.sinks, policy.window) <= config.context_length) return {};
    return refusal("a window or its sinks are more than the model's context of " +
                   std::to_string(config.context_length) + " tokens");
  }
  return refusal("sinks without a window change nothing: every query sees them");
}

Result<void> check(const PositionPolicy& policy) {
  const auto is_positive = [](float v) { return std::isfinite(v) && v > 0; };
  if (is_positive(policy.scale) && (policy.rope_base == 0 || is_positive(policy.rope_base))) {
    return {};
  }
  return refusal("the scale of positions and the RoPE base must be finite and above 0");
}

Result<void> check(const std::vector<std::size_t>& program, const ModelConfig& config) {
  if (program.empty()) return refusal("the layer program is empty");
  if (program.size() > config.layers) {
    return refusal("the layer program has " + std::to_string(program.size()) +
                   " steps; keys and values have room for the model's " +
                   std::to_string(config.layers) + ", so skip a layer for each that is repeated");
  }
  for (const std::size_t layer : program) {
    if (layer >= config.layers) {
      return refusal("the layer program names layer " + std::to_string(layer) + "; the model has " +
                     std::to_string(config.layers));
    }
  }
  return {};
}

std::string where(const TapRows& rows) {
  return "a tap at " + std::string(to_string(rows.point)) + " of layer " +
         std::to_string(rows.layer);
}

}  // namespace

std::string_view to_string(TapPoint point) noexcept {
  return kPointNames[static_cast<std::size_t>(point)];
}

std::size_t tap_width(TapPoint point, const ModelConfig& config) noexcept {
  if (point == TapPoint::kAttentionMix) return config.heads * config.head_width;
  return point == TapPoint::kFfnActivation ? config.ffn_width : config.width;
}

Result<void> validate(const Hooks& hooks, const ModelConfig& config) {
  for (std::size_t i = 0; i < hooks.taps.size(); ++i) {
    auto checked = check(hooks.taps[i], config);
    if (!checked) return std::move(checked).error().with_context("tap " + std::to_string(i));
  }
  WEFT_TRY_VOID(check(hooks.head, config));
  WEFT_TRY_VOID(check(hooks.attention, config));
  WEFT_TRY_VOID(check(hooks.positions));
  return hooks.program ? check(*hooks.program, config) : Result<void>();
}

float ntk_rope_base(float base, std::size_t rope_width, std::size_t trained, std::size_t length) {
  const double circle = 2 * std::acos(-1.0);
  const double width = static_cast<double>(rope_width);
  // The first pair that never turned once in training.
  const double critical =
      2 * std::ceil(width / 2 * std::log(static_cast<double>(trained) / circle) /
                    std::log(static_cast<double>(base)));
  const double lambda =
      std::pow(static_cast<double>(length) / circle, width / critical) / static_cast<double>(base);
  return base * static_cast<float>(std::max(1.0, std::ceil(lambda)));
}

std::string policy_of(const Hooks* hooks) {
  if (hooks == nullptr) return {};
  std::string policy;
  if (hooks->attention != AttentionPolicy{}) {
    const AttentionPolicy& a = hooks->attention;
    policy += "window " + std::to_string(a.window) + " sinks " + std::to_string(a.sinks) + " at " +
              std::to_string(a.sink_distance_max) + ";";
  }
  if (hooks->positions != PositionPolicy{}) {
    const auto bits = [](float v) { return std::to_string(std::bit_cast<std::uint32_t>(v)); };
    policy += "rope " + bits(hooks->positions.rope_base) + " " + bits(hooks->positions.scale) + ";";
  }
  if (hooks->program) {
    policy += "layers";
    for (const std::size_t layer : *hooks->program) policy += " " + std::to_string(layer);
  }
  return policy;
}

bool changes_keys(const Hooks* hooks) noexcept {
  return hooks != nullptr &&
         std::ranges::any_of(hooks->taps, [](const Tap& tap) { return tap.write != nullptr; });
}

bool reads_all(const Hooks* hooks) noexcept {
  return hooks != nullptr && std::ranges::any_of(hooks->taps, [](const Tap& tap) {
           return tap.rows == Tap::Rows::kAll;
         });
}

std::size_t head_rows(const Hooks* hooks) noexcept {
  return hooks != nullptr ? hooks->head.count : 0;
}

bool allows_drafts(const Hooks* hooks) noexcept { return hooks == nullptr || hooks->taps.empty(); }

bool HookRun::taps(std::size_t layer, TapPoint point) const noexcept {
  return std::ranges::any_of(
      hooks_->taps, [&](const Tap& tap) { return tap.layer == layer && tap.point == point; });
}

bool HookRun::taps_unwanted(std::size_t layer) const noexcept {
  return std::ranges::any_of(hooks_->taps, [&](const Tap& tap) {
    return tap.layer == layer && tap.point >= TapPoint::kAttentionMix &&
           tap.rows == Tap::Rows::kAll;
  });
}

void HookRun::call(const TapRows& rows, std::size_t wanted, std::span<float> values) noexcept {
  const auto fail = [&](const char* what) {
    error_ = Error{ErrorCode::kInternal, where(rows) + " threw: " + what};
  };
  try {
    for (const Tap& tap : hooks_->taps) {
      if (error_ || tap.layer != rows.layer || tap.point != rows.point) continue;
      TapRows seen = rows;
      const std::size_t skipped = tap.rows == Tap::Rows::kWanted ? wanted : 0;
      seen.position += skipped;
      seen.values = values.subspan(skipped * rows.width);
      if (seen.values.empty()) continue;
      if (tap.read) {
        tap.read(seen);
      } else {
        tap.write(seen, values);
        if (!is_finite(values)) {
          std::ranges::fill(values, 0.0F);  // the rest of the step computes with something
          error_ = Error{ErrorCode::kInvalidArgument, where(rows) + " wrote what isn't finite"};
        }
      }
    }
  } catch (const std::exception& exception) {
    fail(exception.what());
  } catch (...) {
    fail("not a std::exception");
  }
}

}  // namespace weft::inference
