#include "inference/hooks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <exception>
#include <string>
#include <utility>

#include "inference/backend.h"
#include "inference/kv_cache.h"
#include "inference/model_config.h"

namespace weft::inference {
namespace {

constexpr std::array<std::string_view, 7> kPointNames = {
    "layer_in", "attn_norm_out", "attn_out", "ffn_in", "ffn_norm_out", "ffn_out", "layer_out"};

bool is_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float v) { return std::isfinite(v); });
}

Error refusal(std::string reason) { return {ErrorCode::kInvalidArgument, std::move(reason)}; }

Result<void> check_layer(std::size_t layer, const ModelConfig& config) {
  if (layer < config.layers) return {};
  return refusal("there is no layer " + std::to_string(layer) + "; the model has " +
                 std::to_string(config.layers));
}

Result<void> check(const Tap& tap, const ModelConfig& config) {
  WEFT_TRY_VOID(check_layer(tap.layer, config));
  if ((tap.read == nullptr) == (tap.write == nullptr)) {
    return refusal("a tap either reads or writes: set one of both");
  }
  if (tap.write && tap.rows != Tap::Rows::kAll) {
    return refusal(
        "a tap that writes needs all rows: which of a prompt's rows are wanted depends on how it "
        "is read");
  }
  return {};
}

Result<void> check(const ScoreTap& tap, const ModelConfig& config) {
  WEFT_TRY_VOID(check_layer(tap.layer, config));
  if (tap.read != nullptr) return {};
  return refusal("a tap of scores needs a callback");
}

Result<void> check_rows(std::span<const float> values, std::size_t count, const std::string& what,
                        const ModelConfig& config) {
  if (count > kHeadRowsMax || values.size() != count * config.width) {
    return refusal(std::to_string(values.size()) + " " + what + " aren't " + std::to_string(count) +
                   " head rows of the model's width, " + std::to_string(config.width) +
                   "; there can be " + std::to_string(kHeadRowsMax));
  }
  if (is_finite(values)) return {};
  return refusal("one of the head rows' " + what + " isn't finite");
}

Result<void> check(const HeadRows& head, const ModelConfig& config) {
  WEFT_TRY_VOID(check_rows(head.weights, head.count, "weights", config));
  return head.inputs.empty() ? Result<void>()
                             : check_rows(head.inputs, head.count, "inputs", config);
}

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
  if (program.size() > kProgramRoundsMax * config.layers) {
    return refusal("the layer program has " + std::to_string(program.size()) +
                   " steps; keys and values are kept of at most " +
                   std::to_string(kProgramRoundsMax) + " times the model's " +
                   std::to_string(config.layers) + " layers");
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

/// check() of each, with its index.
template <typename Taps>
Result<void> check_all(const Taps& taps, const std::string& kind, const ModelConfig& config) {
  for (std::size_t i = 0; i < taps.size(); ++i) {
    auto checked = check(taps[i], config);
    if (!checked) return std::move(checked).error().with_context(kind + std::to_string(i));
  }
  return {};
}

}  // namespace

std::string_view to_string(TapPoint point) noexcept {
  return kPointNames[static_cast<std::size_t>(point)];
}

Result<void> validate(const Hooks& hooks, const ModelConfig& config) {
  WEFT_TRY_VOID(check_all(hooks.taps, "tap ", config));
  WEFT_TRY_VOID(check_all(hooks.scores, "score tap ", config));
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

std::shared_ptr<const KvMemory> memory_for(const std::shared_ptr<const KvMemory>& memory,
                                           const Hooks* hooks) {
  if (hooks == nullptr || !hooks->program) return memory;
  return memory->for_steps(hooks->program->size());
}

void drop_hidden(KvCache& cache, const Hooks* hooks) noexcept {
  if (hooks == nullptr || hooks->attention.window == 0) return;
  const std::size_t kept_min = cache.length() - std::min(cache.length(), kStepTokensMax);
  // The token read after that many sees its own position and window - 1 before.
  const std::size_t seen = kept_min + 1 - std::min(kept_min + 1, hooks->attention.window);
  cache.drop(hooks->attention.sinks, seen, kept_min);
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

std::size_t head_inputs(const Hooks* hooks) noexcept {
  return hooks != nullptr && !hooks->head.inputs.empty() ? hooks->head.count : 0;
}

bool allows_drafts(const Hooks* hooks) noexcept {
  return hooks == nullptr || (hooks->taps.empty() && hooks->scores.empty());
}

bool HookRun::taps(std::size_t layer, TapPoint point) const noexcept {
  return std::ranges::any_of(
      hooks_->taps, [&](const Tap& tap) { return tap.layer == layer && tap.point == point; });
}

bool HookRun::taps_unwanted(std::size_t layer) const noexcept {
  return std::ranges::any_of(hooks_->taps, [&](const Tap& tap) {
    return tap.layer == layer && tap.point >= TapPoint::kAttentionOut &&
           tap.rows == Tap::Rows::kAll;
  });
}

template <typename Place, typename Body>
void HookRun::guard(const Place& place, const Body& body) noexcept {
  const auto fail = [&](const char* what) {
    error_ = Error{ErrorCode::kInternal, place() + " threw: " + what};
  };
  try {
    body();
  } catch (const std::exception& exception) {
    fail(exception.what());
  } catch (...) {
    fail("not a std::exception");
  }
}

void HookRun::call(const TapRows& rows, std::size_t wanted, std::span<float> values) noexcept {
  const auto place = [&] { return where(rows); };
  guard(place, [&] {
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
  });
}

std::vector<ScoreTap::Kind> HookRun::score_kinds(std::size_t layer) const {
  std::vector<ScoreTap::Kind> kinds;
  for (const ScoreTap& tap : hooks_->scores) {
    if (tap.layer != layer || std::ranges::count(kinds, tap.kind) != 0) continue;
    kinds.push_back(tap.kind);
  }
  return kinds;
}

void HookRun::call(const ScoreRows& rows, ScoreTap::Kind kind) noexcept {
  const auto place = [&] { return "a tap of scores of layer " + std::to_string(rows.layer); };
  guard(place, [&] {
    for (const ScoreTap& tap : hooks_->scores) {
      if (!error_ && tap.layer == rows.layer && tap.kind == kind) tap.read(rows);
    }
  });
}

}  // namespace weft::inference
