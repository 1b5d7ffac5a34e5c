#include "inference/weights/divergence.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/atomic_file.h"

namespace weft::inference {
namespace {

/// ln of the softmax of `logits`.
void log_probabilities(std::span<const float> logits, std::vector<float>& out) {
  const float largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - largest);
  const double log_sum = largest + std::log(sum);
  out.resize(logits.size());
  std::ranges::transform(logits, out.begin(),
                         [&](float logit) { return static_cast<float>(logit - log_sum); });
}

std::size_t top_of(std::span<const float> values) {
  return static_cast<std::size_t>(std::ranges::max_element(values) - values.begin());
}

/// Rows of floats in a file that has no name, so that nothing is left of it whatever happens.
class RowFile {
 public:
  static Result<RowFile> open(const std::filesystem::path& directory) {
    std::string name = (directory / "weft-distributions-XXXXXX").string();
    RowFile file(::mkstemp(name.data()), directory);
    if (file.descriptor_ < 0) return errno_error("make a temporary file in", directory);
    ::unlink(name.c_str());
    return file;
  }
  RowFile(RowFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        directory_(std::move(other.directory_)) {}
  RowFile& operator=(RowFile&&) = delete;
  ~RowFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  Result<void> write(std::size_t row, std::span<const float> values) {
    auto bytes = std::as_bytes(values);
    auto at = static_cast<off_t>(row * bytes.size());
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("write");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      at += n;
    }
    return {};
  }

  Result<void> read(std::size_t row, std::span<float> values) const {
    auto bytes = std::as_writable_bytes(values);
    auto at = static_cast<off_t>(row * bytes.size());
    while (!bytes.empty()) {
      const ssize_t n = ::pread(descriptor_, bytes.data(), bytes.size(), at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return failure("read");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      at += n;
    }
    return {};
  }

 private:
  RowFile(int descriptor, std::filesystem::path directory)
      : descriptor_(descriptor), directory_(std::move(directory)) {}

  Error failure(const char* what) const {
    const bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    Error error = errno_error(std::string(what) + " the original's distributions in", directory_);
    if (is_full) {
      error.code = ErrorCode::kResourceExhausted;
      error.message += "; free some space, or compare fewer windows";
    }
    return error;
  }

  int descriptor_;
  std::filesystem::path directory_;
};

}  // namespace

struct DivergenceMeter::State {
  RowFile rows;
  std::vector<TokenId> ids;
  PerplexityOptions options;
  std::size_t vocabulary = 0;
  Perplexity original;

  /// perplexity() that hands each place's ln p to `use`, whose first error ends it.
  template <typename Use>
  Result<Perplexity> score(Session& session, const Use& use) {
    std::vector<float> row;
    std::size_t place = 0;
    PerplexityOptions scoring = options;
    scoring.on_logits = [&](std::span<const float> logits) -> Result<void> {
      log_probabilities(logits, row);
      return use(place++, std::span<const float>(row));
    };
    return perplexity(session, ids, scoring);
  }
};

DivergenceMeter::DivergenceMeter(std::unique_ptr<State> state) : state_(std::move(state)) {}
DivergenceMeter::DivergenceMeter(DivergenceMeter&&) noexcept = default;
DivergenceMeter::~DivergenceMeter() = default;

Result<DivergenceMeter> DivergenceMeter::open(const std::filesystem::path& directory,
                                              std::span<const TokenId> ids,
                                              PerplexityOptions options) {
  WEFT_TRY(rows, RowFile::open(directory));
  return DivergenceMeter(std::unique_ptr<State>(
      new State{std::move(rows), {ids.begin(), ids.end()}, std::move(options), 0, {}}));
}

Result<void> DivergenceMeter::original(Session& session) {
  State& state = *state_;
  WEFT_TRY(scored, state.score(session, [&](std::size_t place, std::span<const float> row) {
    state.vocabulary = row.size();
    return state.rows.write(place, row);
  }));
  state.original = std::move(scored);
  return {};
}

Result<Divergence> DivergenceMeter::changed(Session& session) {
  State& state = *state_;
  Divergence found;
  std::vector<float> original(state.vocabulary);
  double sum = 0;
  std::size_t same = 0;
  const auto compare = [&](std::size_t place, std::span<const float> row) -> Result<void> {
    if (row.size() != state.vocabulary) {
      return Error{ErrorCode::kInvalidArgument, "the models' vocabularies have " +
                                                    std::to_string(state.vocabulary) + " and " +
                                                    std::to_string(row.size()) +
                                                    " tokens: their distributions can't be "
                                                    "compared"};
    }
    WEFT_TRY_VOID(state.rows.read(place, original));
    double kl = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      kl += std::exp(double{original[i]}) * (double{original[i]} - row[i]);
    }
    sum += kl;
    found.largest_kl = std::max(found.largest_kl, kl);
    if (top_of(original) == top_of(row)) ++same;
    return {};
  };
  WEFT_TRY(scored, state.score(session, compare));
  found.tokens = scored.tokens;
  found.perplexity_original = state.original.perplexity;
  found.perplexity_changed = scored.perplexity;
  found.mean_kl = sum / static_cast<double>(scored.tokens);
  found.same_top_token = static_cast<double>(same) / static_cast<double>(scored.tokens);
  return found;
}

}  // namespace weft::inference
