#include "inference/embedder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "inference/encoder_files.h"
#include "inference/encoder_forward.h"
#include "inference/encoder_weights.h"

namespace weft::inference {
namespace {

constexpr std::size_t kBatchTokens =
    256;  // rows of a pass: their inner layer stays in a common L2 cache
constexpr std::size_t kBatchesPerThread = 2;  // from so many on, threads work apart
constexpr std::size_t kTokensMin = 3;         // [CLS], one token, [SEP]

std::vector<std::string> warnings_of(const EncoderFiles& files) {
  std::vector<std::string> warnings;
  if (!files.pooling) {
    warnings.emplace_back(
        "the model's files don't say how tokens are pooled: the mean is taken (a folder says it in "
        "1_Pooling/config.json, a GGUF file in bert.pooling_type)");
  }
  return warnings;
}

Result<std::size_t> token_limit(const EncoderFiles& files, std::size_t wanted) {
  const std::size_t positions = files.config.positions;
  const std::size_t own = std::min(files.tokens_max.value_or(positions), positions);
  const std::size_t limit = wanted == 0 ? own : wanted;
  if (limit >= kTokensMin && limit <= positions) return limit;
  return Error{wanted == 0 ? ErrorCode::kCorrupt : ErrorCode::kInvalidArgument,
               "a limit of " + std::to_string(limit) + " tokens a text; this model takes " +
                   std::to_string(kTokensMin) + " to " + std::to_string(positions)};
}

/// A text as the encoder reads it.
struct Encoded {
  std::vector<TokenId> ids;
  std::size_t cut = 0;
};

Encoded encode(const WordPiece& vocabulary, std::string_view prefix, std::string_view text,
               std::size_t tokens_max) {
  Encoded encoded;
  encoded.ids = prefix.empty() ? vocabulary.encode(text)
                               : vocabulary.encode(std::string(prefix).append(text));
  if (encoded.ids.size() <= tokens_max) return encoded;
  encoded.cut = encoded.ids.size() - tokens_max;
  const TokenId end = encoded.ids.back();  // [SEP] closes what is left too
  encoded.ids.resize(tokens_max);
  encoded.ids.back() = end;
  return encoded;
}

/// Texts that go through the encoder together.
struct Batch {
  std::size_t first;  // text
  std::vector<std::span<const TokenId>> sequences;
};

std::vector<Batch> batches_of(const std::vector<Encoded>& encoded) {
  std::vector<Batch> batches;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    tokens += encoded[i].ids.size();
    if (batches.empty() || tokens > kBatchTokens) {
      batches.push_back({i, {}});
      tokens = encoded[i].ids.size();
    }
    batches.back().sequences.emplace_back(encoded[i].ids);
  }
  return batches;
}

}  // namespace

std::string_view to_string(Pooling pooling) noexcept {
  return pooling == Pooling::kMean ? "mean" : "cls";
}

std::string_view to_string(EmbedderPrecision precision) noexcept {
  return precision == EmbedderPrecision::kInt8 ? "int8" : "f32";
}

Result<EmbedderPrecision> embedder_precision(std::string_view name) {
  for (const auto precision : {EmbedderPrecision::kInt8, EmbedderPrecision::kFloat32}) {
    if (name == to_string(precision)) return precision;
  }
  return Error{ErrorCode::kInvalidArgument,
               "unknown precision '" + std::string(name) + "'; use int8 or f32"};
}

struct Embedder::State {
  EncoderFiles files;
  EncoderWeights weights;
  EmbedderPrecision precision;
  Pooling pooling;
  std::size_t tokens_max;
  std::vector<std::string> warnings;

  std::vector<Encoded> encode_all(std::span<const std::string_view> texts, EmbedRole role,
                                  cpu::ThreadPool& pool) const {
    const std::string& prefix =
        role == EmbedRole::kQuery ? files.query_prefix : files.document_prefix;
    std::vector<Encoded> encoded(texts.size());
    pool.run([&](std::size_t thread, cpu::Team& team) {
      for (std::size_t i = thread; i < texts.size(); i += team.size()) {
        encoded[i] = encode(files.vocabulary, prefix, texts[i], tokens_max);
      }
    });
    return encoded;
  }

  /// Of one sequence's rows (tokens, width), into a row of length 1.
  void pool_rows(std::span<const float> rows, std::span<float> out) const {
    const cpu::EncoderKernels& kernels = cpu::encoder_kernels(weights.level);
    const std::size_t width = out.size();
    std::ranges::copy(rows.first(width), out.begin());
    // The mean's factor goes with that of the norm: only the direction counts.
    for (std::size_t at = width; pooling == Pooling::kMean && at < rows.size(); at += width) {
      kernels.add(out.data(), rows.data() + at, width);
    }
    const float length = std::sqrt(kernels.sum_of_squares(out.data(), width));
    if (length > 0) kernels.scale(out.data(), 1 / length, width);
  }
};

Result<std::shared_ptr<const Embedder>> Embedder::open(const std::filesystem::path& path,
                                                       const EmbedderOptions& options) {
  WEFT_TRY(files, open_encoder(path));
  WEFT_TRY(tokens_max, token_limit(files, options.tokens_max));
  auto weights = load_encoder(files, options.precision, options.level);
  if (!weights) return std::move(weights).error().with_context("embedding model " + path.string());
  if (options.query_prefix) files.query_prefix = *options.query_prefix;
  if (options.document_prefix) files.document_prefix = *options.document_prefix;
  auto warnings = warnings_of(files);
  const Pooling pooling = files.pooling.value_or(Pooling::kMean);
  return std::shared_ptr<const Embedder>(new Embedder(
      std::make_unique<State>(State{std::move(files), *std::move(weights), options.precision,
                                    pooling, tokens_max, std::move(warnings)})));
}

Embedder::Embedder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Embedder::~Embedder() = default;

Result<Embeddings> Embedder::embed(std::span<const std::string_view> texts, cpu::ThreadPool& pool,
                                   const EmbedOptions& options) const {
  const std::size_t d = width();
  const auto encoded = state_->encode_all(texts, options.role, pool);
  Embeddings made;
  made.width = d;
  made.values.resize(texts.size() * d);
  std::size_t longest = 0;
  std::size_t total = 0;
  for (const Encoded& each : encoded) {
    made.tokens.push_back(each.ids.size());
    made.tokens_cut.push_back(each.cut);
    longest = std::max(longest, each.ids.size());
    total += each.ids.size();
  }
  const auto batches = batches_of(encoded);
  const std::size_t batch_tokens = std::min(total, std::max(longest, kBatchTokens));
  const auto run = [&](EncoderForward& forward, const Batch& batch,
                       const auto& pass) -> Result<void> {
    if (options.stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "embedding was cancelled"};
    }
    WEFT_TRY_VOID(pass(forward, batch.sequences));
    std::size_t row = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::size_t tokens = batch.sequences[i].size();
      state_->pool_rows(forward.hidden().subspan(row * d, tokens * d),
                        std::span(made.values).subspan((batch.first + i) * d, d));
      row += tokens;
    }
    return {};
  };
  if (pool.size() == 1 || batches.size() < kBatchesPerThread * pool.size()) {
    EncoderForward forward(state_->weights, *state_->files.tensors, longest, batch_tokens,
                           pool.size());
    for (const Batch& batch : batches) {
      WEFT_TRY_VOID(
          run(forward, batch, [&](EncoderForward& f, EncoderForward::Sequences sequences) {
            return f.run(sequences, pool);
          }));
    }
    return made;
  }
  // Enough for every thread to work on its own, without waiting for the others.
  std::vector<std::unique_ptr<EncoderForward>> forwards;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    forwards.push_back(std::make_unique<EncoderForward>(state_->weights, *state_->files.tensors,
                                                        longest, batch_tokens, 1));
  }
  std::vector<Result<void>> results(pool.size());
  std::atomic<std::size_t> next = 0;
  pool.run([&](std::size_t thread, cpu::Team&) {
    for (std::size_t i = next++; i < batches.size() && results[thread]; i = next++) {
      results[thread] = run(*forwards[thread], batches[i],
                            [](EncoderForward& f, EncoderForward::Sequences sequences) {
                              return f.run_alone(sequences);
                            });
    }
  });
  for (const auto& result : results) WEFT_TRY_VOID(result);
  return made;
}

Result<Embeddings> Embedder::embed(std::string_view text, cpu::ThreadPool& pool,
                                   const EmbedOptions& options) const {
  return embed(std::span(&text, 1), pool, options);
}

std::size_t Embedder::width() const noexcept { return state_->weights.config.width; }
std::size_t Embedder::tokens_max() const noexcept { return state_->tokens_max; }
Pooling Embedder::pooling() const noexcept { return state_->pooling; }
EmbedderPrecision Embedder::precision() const noexcept { return state_->precision; }
std::size_t Embedder::weight_bytes() const noexcept { return state_->weights.matrix_bytes; }

double Embedder::macs_per_token() const noexcept {
  const EncoderConfig& config = state_->weights.config;
  const auto width = static_cast<double>(config.width);
  const auto ffn_width = static_cast<double>(config.ffn_width);
  return static_cast<double>(config.layers) * width * (4 * width + 2 * ffn_width);
}

const std::string& Embedder::query_prefix() const noexcept { return state_->files.query_prefix; }
const std::string& Embedder::document_prefix() const noexcept {
  return state_->files.document_prefix;
}
const std::vector<std::string>& Embedder::warnings() const noexcept { return state_->warnings; }

}  // namespace weft::inference
