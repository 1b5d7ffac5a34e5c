#pragma once
// What a request does inside the forward pass. Taps are handed rows of activations at a point of a
// layer, to read them or to change them, in prefill and decode alike. Rows of other requests in the
// same step are never seen, and their bits don't change. A request without hooks pays a null check
// a layer. Source: Khandelwal et al. 2020 (kNN-LM: the key is kFfnNormOut of the last layer).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::inference {

struct ModelConfig;

/// Where in a layer, in this order.
enum class TapPoint : std::uint8_t {
  kLayerIn,           // the residual stream before the layer
  kAttentionNormOut,  // its norm, that q, k and v are made of
  kAttentionMix,      // the heads' weighted values side by side, that attn_output reads
  kAttentionOut,      // what attention adds to the residual stream
  kFfnIn,             // the residual stream between attention and FFN
  kFfnNormOut,        // its norm, that gate and up read
  kFfnActivation,     // the activated gate times up, that ffn_down reads
  kFfnOut,            // what the FFN adds
  kLayerOut,          // the residual stream after the layer
};
std::string_view to_string(TapPoint point) noexcept;  // "layer_in", "attn_norm_out", ...
/// Of a row there: the model's width, save for kAttentionMix and kFfnActivation.
std::size_t tap_width(TapPoint point, const ModelConfig& config) noexcept;

struct TapRows {
  std::size_t layer = 0;
  TapPoint point = TapPoint::kLayerIn;
  std::size_t position = 0;       // of the first row, in its sequence; the others follow
  std::size_t width = 0;          // of a row
  std::span<const float> values;  // (rows, width), borrowed for the call
};

/// One callback. It is called on the thread that reads (generate(), step()), after all threads have
/// written the rows and before any goes on: as long as it takes, the step stands still.
struct Tap {
  enum class Rows : std::uint8_t {
    kAll,     // each token that is read; the prompt then isn't taken from a cache
    kWanted,  // only those whose logits are wanted: of a prompt, as a rule, the last
  };
  std::size_t layer = 0;
  TapPoint point = TapPoint::kLayerIn;
  Rows rows = Rows::kAll;
  // One of these. Of those at one point, each sees what the ones before it wrote.
  std::function<void(const TapRows& rows)> read = {};
  std::function<void(const TapRows& rows, std::span<float> values)> write = {};  // of kAll
};

/// Rows of the request's own after the vocabulary's in the output head, float: tools as tokens,
/// say. Their logits are those of the ids vocabulary, vocabulary + 1, ...: changed, drawn from and
/// scored as the others. The model can't read such a token: where one is drawn, the answer ends
/// with it (FinishReason::kHeadToken). Source: Hao et al. 2023 (ToolkenGPT), section 3.1.
struct HeadRows {
  std::size_t count = 0;
  std::vector<float> weights;  // (count, width); a logit is one's product with the final norm
};
inline constexpr std::size_t kHeadRowsMax = 1 << 16;

/// Which positions a query sees. Layers that have a window of the model's own see the narrower of
/// both, and no sinks. Source: Han et al. 2024 (LM-Infinite), section 4: the Lambda mask.
struct AttentionPolicy {
  std::size_t window = 0;  // its own position and those before it; 0: as the model's
  /// First positions that it sees beyond the window too, as if it stood no further away than at
  /// sink_distance_max; 0: the context that the model was trained for.
  std::size_t sinks = 0;
  std::size_t sink_distance_max = 0;

  friend bool operator==(const AttentionPolicy&, const AttentionPolicy&) = default;
};

/// Rotary positions, in layers that have no window of the model's own. Linear scaling by s is
/// {.scale = 1 / s}; NTK scaling is {.rope_base = ntk_rope_base(..)}.
struct PositionPolicy {
  float rope_base = 0;  // 0: the model's
  float scale = 1;      // of positions, on top of the model's

  friend bool operator==(const PositionPolicy&, const PositionPolicy&) = default;
};
/// The base for a context of `length` tokens: base * lambda, rounded up, of LongLLaDA (Liu et al.
/// 2025), whose pairs beyond the trained length `trained` turn no further than they did there.
float ntk_rope_base(float base, std::size_t rope_width, std::size_t trained, std::size_t length);

/// Immutable while requests hold it; any number may. Attention, positions and program hold for all
/// of a sequence: what was read with others isn't shared.
struct Hooks {
  std::vector<Tap> taps;
  HeadRows head;
  AttentionPolicy attention;
  PositionPolicy positions;
  /// The layers that run, in this order: skipped where left out, repeated where named again, and
  /// stopped where it ends. Each step has keys and values of its own. None: all, once each.
  std::optional<std::vector<std::size_t>> program;
};

/// Errors: kInvalidArgument, for taps with their index.
Result<void> validate(const Hooks& hooks, const ModelConfig& config);

/// Tells keys and values apart that were read with other attention, positions or program; empty for
/// the model's own.
std::string policy_of(const Hooks* hooks);
/// Whether keys and values that were read with `hooks` are only this request's own. null: no.
bool changes_keys(const Hooks* hooks) noexcept;
/// Whether every token of a prompt has to be read, also where its keys and values are known.
bool reads_all(const Hooks* hooks) noexcept;
/// Ids after the vocabulary that have logits.
std::size_t head_rows(const Hooks* hooks) noexcept;
/// Whether tokens may be read that turn out not to be the answer's.
bool allows_drafts(const Hooks* hooks) noexcept;

/// The hooks of one request while it runs, as a step of the model carries them out: the boundary
/// that a callback's exception doesn't pass. Needs itself alone.
class HookRun {
 public:
  /// `hooks` are valid for the model.
  explicit HookRun(std::shared_ptr<const Hooks> hooks) : hooks_(std::move(hooks)) {}

  const Hooks& hooks() const noexcept { return *hooks_; }
  /// Whether a tap of the layer sees what is at `point`.
  bool taps(std::size_t layer, TapPoint point) const noexcept;
  /// Whether one sees rows of the layer from kAttentionMix on whose logits aren't wanted.
  bool taps_unwanted(std::size_t layer) const noexcept;
  /// Calls the taps there, for rows `values` of which those from `wanted` on are wanted. After an
  /// error nothing is called any more.
  void call(const TapRows& rows, std::size_t wanted, std::span<float> values) noexcept;
  /// What a callback threw: the request is to be ended. null: nothing.
  const Error* error() const noexcept { return error_ ? &*error_ : nullptr; }

 private:
  std::shared_ptr<const Hooks> hooks_;
  std::optional<Error> error_;
};

}  // namespace weft::inference
