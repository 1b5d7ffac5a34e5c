#pragma once
// Where a model computes, as the rest sees it: weights put there, memory for keys and values, and
// steps that take tokens of any number of sequences to logits. Everything above (Model, Session,
// Engine) speaks to these interfaces alone, a call a step; inference/cpu implements them, and a GPU
// would.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/kv_cache.h"
#include "inference/model_config.h"
#include "inference/numerics_id.h"
#include "inference/token.h"

namespace weft::inference {

struct ModelTensors;  // inference/model_tensors.h
struct LowRank;       // inference/adapter/low_rank.h
class HookRun;        // inference/hooks.h

/// What every backend takes at once.
inline constexpr std::size_t kStepTokensMax = 256;
inline constexpr std::size_t kLogitsRowsMax = 32;

/// Changes to a model's linear layers, where its weights are. Immutable.
class AdapterWeights {
 public:
  virtual ~AdapterWeights() = default;
  virtual std::size_t size_bytes() const noexcept = 0;  // in the backend's memory
};

/// Tokens that one sequence reads in a step.
struct Slice {
  /// Not empty. Of the vocabulary, or behind it one of the hooks' head rows that can be read.
  std::span<const TokenId> ids;
  KvCache* cache = nullptr;      // its length is the position of ids[0], but see `fork`
  std::size_t first_wanted = 0;  // of `ids`, from where on logits are wanted; ids.size() for none
  /// Read in place of the embedding's rows where not empty: (ids.size(), width), each row scaled as
  /// the embedding's are. `ids` are kNoToken then.
  std::span<const float> rows = {};
  /// What changes the linear layers for these tokens alone; of the runner's weights. May be null.
  const AdapterWeights* adapter = nullptr;
  /// What the request does inside the pass; null: nothing. Blocks that its attention hides from all
  /// of `ids` may have been dropped from the cache.
  HookRun* hooks = nullptr;
  /// A sequence that leaves another's within the step, as the branches of a tree do: it has read
  /// `tokens` of the ids of the earlier slice `slice` too, at least one, before its own. Before the
  /// step its cache is a copy of that one's; adapter and hooks are that one's.
  struct Fork {
    std::size_t slice = 0;
    std::size_t tokens = 0;

    friend bool operator==(const Fork&, const Fork&) = default;
  };
  std::optional<Fork> fork = {};
};

/// The position of the first of `ids` of slice `i`, before the step.
std::size_t first_position(std::span<const Slice> slices, std::size_t i) noexcept;

/// Runs steps of one model, with working memory of its own. Needs itself alone.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  /// Of the caches that it reads and extends.
  virtual const std::shared_ptr<const KvMemory>& kv_memory() const noexcept = 0;

  /// Whether slices may have forks.
  virtual bool can_fork() const noexcept { return false; }

  /// Reads 1..kStepTokensMax tokens, of different caches each slice, extends the caches by them and
  /// keeps what logits() needs of the wanted ones, slice after slice. On an error the caches may
  /// have grown.
  virtual Result<void> read(std::span<const Slice> slices) = 0;

  /// Logits after the wanted tokens [first, first + count) of the last step, count <=
  /// kLogitsRowsMax, into `out` (count, vocabulary).
  virtual Result<void> logits(std::size_t first, std::size_t count, std::span<float> out) = 0;

  /// logits() after the wanted token `i`, of which only those are needed whose bits are set, id %
  /// 64 of word id / 64; the others may be -infinity instead. Bits beyond the vocabulary are
  /// ignored.
  virtual Result<void> sparse_logits(std::size_t i, std::span<const std::uint64_t> needed,
                                     std::span<float> out);

  /// What the output head reads at the wanted token `i` of the last step: the final norm, into
  /// `out` (width). Errors: kUnsupported where a backend doesn't have it.
  virtual Result<void> hidden(std::size_t i, std::span<float> out);
};

struct LoadOptions {
  std::stop_token stop;  // checked between tensors
  /// Bytes of weights read so far, and of all. Called one at a time, but from any thread.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress;
  std::string fingerprint = {};  // of the model's file: fingerprint(); read anew where it is empty
};

/// A model's weights where they are computed with. Immutable; const members may run at once.
class Weights {
 public:
  virtual ~Weights() = default;

  virtual std::size_t size_bytes() const noexcept = 0;  // in the backend's memory
  /// Borrows the weights.
  virtual Result<std::unique_ptr<StepRunner>> open_runner() const = 0;
  /// Makes changes ready for slices: at most one a linear layer, of the model's shapes. Errors:
  /// kUnsupported where there are none, as here; kResourceExhausted.
  virtual Result<std::unique_ptr<const AdapterWeights>> load_adapter(
      std::span<const LowRank> changes) const;
  /// Writes them as they lie in memory to a file beside the model's, which load() takes as long as
  /// the model's file is the same: a faster start, for as much of the disk. Returns its path.
  /// Errors: kUnsupported where a backend can't, as here; kResourceExhausted (disk),
  /// kPermissionDenied, kIo, kCancelled.
  virtual Result<std::filesystem::path> keep(const LoadOptions& options) const;
};

/// One serves all models of a process. Const members may run at once.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;  // "cpu avx2"
  /// Of results with weights of this fingerprint().
  virtual NumericsId numerics(const std::string& weights) const = 0;

  /// Borrows `file`, which outlives the weights, its metadata only this call. Errors: kCorrupt for
  /// values that can't be computed with (the tensor is named), kCancelled, kIo, kResourceExhausted.
  virtual Result<std::unique_ptr<const Weights>> load(const GgufFile& file,
                                                      const ModelConfig& config,
                                                      const ModelTensors& tensors,
                                                      const LoadOptions& options) const = 0;
};

/// How keys and values are kept.
enum class KvType : std::uint8_t {
  kF16,
  kQ8_0,  // 32 values share an fp16 scale: 53 % of the memory
};
std::string_view to_string(KvType type) noexcept;  // "f16", "q8_0"

struct BackendOptions {
  std::string cpu_level;    // "scalar", "avx2", "avx512vnni"; "" = the best that this CPU runs
  std::size_t threads = 0;  // 0 = one a physical core
  KvType kv = KvType::kF16;
};

/// The files that Weights::keep() has left beside a model's, for any backend and level. Errors:
/// kIo.
Result<std::vector<std::filesystem::path>> kept_weights(const std::filesystem::path& model);

/// The backend of this machine: the CPU. Errors: kInvalidArgument for an unknown level,
/// kUnsupported for one that the CPU lacks.
Result<std::shared_ptr<const Backend>> open_backend(const BackendOptions& options = {});

}  // namespace weft::inference
