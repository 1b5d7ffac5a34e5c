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

class KvCache;   // inference/kv_cache.h
class KvMemory;  // likewise
struct ModelConfig;

/// Where in a layer, in this order.
enum class TapPoint : std::uint8_t {
  kLayerIn,           // the residual stream before the layer
  kAttentionNormOut,  // its norm, that q, k and v are made of
  kAttentionOut,      // what attention adds to the residual stream
  kFfnIn,             // the residual stream between attention and FFN
  kFfnNormOut,        // its norm, that gate and up read
  kFfnOut,            // what the FFN adds
  kLayerOut,          // the residual stream after the layer
};
std::string_view to_string(TapPoint point) noexcept;  // "layer_in", "attn_norm_out", ...

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

/// How a token's queries meet the keys of a layer, where its logits are wanted. Source: Shi et al.
/// 2024 (GemFilter), algorithm 1: see gem_filter.h.
struct ScoreRows {
  std::size_t layer = 0;
  std::size_t position = 0;       // of the token; it sees none after its own
  std::size_t heads = 0;          // of queries
  std::span<const float> values;  // (heads, position + 1), borrowed for the call
};

/// One callback, as Tap's: for each such token, in order.
struct ScoreTap {
  enum class Kind : std::uint8_t {
    kWeights,   // what the values are weighted with: 0 where the token doesn't see
    kProducts,  // q . k, both with their positions, not scaled: -infinity there
  };
  std::size_t layer = 0;
  Kind kind = Kind::kWeights;
  std::function<void(const ScoreRows& rows)> read;
};

/// Rows of the request's own after the vocabulary's in the output head, float: tools as tokens,
/// say. Their logits are those of the ids vocabulary, vocabulary + 1, ...: changed, drawn from and
/// scored as the others. Where one is drawn, the answer ends with it (FinishReason::kHeadToken).
/// With `inputs` a session can read it as part of the next prompt, and so go on behind it; what is
/// read from there on isn't remembered. Source: Hao et al. 2023 (ToolkenGPT), section 3.1.
struct HeadRows {
  std::size_t count = 0;
  std::vector<float> weights;      // (count, width); a logit is one's product with the final norm
  std::vector<float> inputs = {};  // empty, or (count, width): rows as the embedding's, to be read
};
inline constexpr std::size_t kHeadRowsMax = 1 << 16;

/// Which positions a query sees; keys and values that it has left behind are freed. Layers that
/// have a window of the model's own see the narrower of both, and no sinks. Source: Han et al. 2024
/// (LM-Infinite), section 4: the Lambda mask.
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

/// Steps of a layer program, as a multiple of the model's layers.
inline constexpr std::size_t kProgramRoundsMax = 4;

/// Immutable while requests hold it; any number may. Attention, positions and program hold for all
/// of a sequence: what was read with others isn't shared.
struct Hooks {
  std::vector<Tap> taps;
  HeadRows head;
  AttentionPolicy attention;
  PositionPolicy positions;
  /// The layers that run, in this order: skipped where left out, repeated where named again, and
  /// stopped where it ends. Each step has keys and values of its own, so that a token of a longer
  /// program takes more memory. None: all, once each.
  std::optional<std::vector<std::size_t>> program;
  std::vector<ScoreTap> scores;
};

/// Errors: kInvalidArgument, for taps of either kind with their index.
Result<void> validate(const Hooks& hooks, const ModelConfig& config);

/// Tells keys and values apart that were read with other attention, positions or program; empty for
/// the model's own.
std::string policy_of(const Hooks* hooks);
/// Where keys and values read with `hooks` stand: `memory`, or one with room for their program.
std::shared_ptr<const KvMemory> memory_for(const std::shared_ptr<const KvMemory>& memory,
                                           const Hooks* hooks);
/// Frees the blocks of `cache` between sinks and window: no token sees them that is read with
/// `hooks` from now on, nor if as many tokens are dropped before as a step has.
void drop_hidden(KvCache& cache, const Hooks* hooks) noexcept;
/// Whether keys and values that were read with `hooks` are only this request's own. null: no.
bool changes_keys(const Hooks* hooks) noexcept;
/// Whether every token of a prompt has to be read, also where its keys and values are known.
bool reads_all(const Hooks* hooks) noexcept;
/// Ids after the vocabulary that have logits.
std::size_t head_rows(const Hooks* hooks) noexcept;
/// Those that can be read.
std::size_t head_inputs(const Hooks* hooks) noexcept;
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
  /// Whether one sees rows of the layer from kAttentionOut on whose logits aren't wanted.
  bool taps_unwanted(std::size_t layer) const noexcept;
  /// Calls the taps there, for rows `values` of which those from `wanted` on are wanted. After an
  /// error nothing is called any more.
  void call(const TapRows& rows, std::size_t wanted, std::span<float> values) noexcept;
  /// The kinds of scores that taps of the layer read, each once.
  std::vector<ScoreTap::Kind> score_kinds(std::size_t layer) const;
  void call(const ScoreRows& rows, ScoreTap::Kind kind) noexcept;
  /// What a callback threw: the request is to be ended. null: nothing.
  const Error* error() const noexcept { return error_ ? &*error_ : nullptr; }

 private:
  std::shared_ptr<const Hooks> hooks_;
  /// Runs `body`, whose exceptions become an error at place().
  template <typename Place, typename Body>
  void guard(const Place& place, const Body& body) noexcept;

  std::optional<Error> error_;
};

}  // namespace weft::inference
