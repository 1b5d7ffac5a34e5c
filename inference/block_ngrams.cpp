#include "inference/block_ngrams.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::inference {
namespace {

std::uint64_t hash_of(std::span<const TokenId> ids) noexcept {
  std::uint64_t hash = 0;
  for (const TokenId id : ids) {
    hash = (hash ^ static_cast<std::uint64_t>(id)) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 29;
  }
  return hash;
}

/// Where in a text each run of n - 1 tokens stands.
struct Corpus {
  std::vector<TokenId> ids;
  std::size_t context = 0;  // n - 1
  std::unordered_multimap<std::uint64_t, std::size_t> places;

  Corpus(std::span<const TokenId> text, std::size_t n)
      : ids(text.begin(), text.end()), context(n - 1) {
    for (std::size_t begin = 0; begin + n <= ids.size(); ++begin) {
      places.emplace(hash_of(std::span(ids).subspan(begin, context)), begin);
    }
  }
};

class BlockNgrams : public StatelessProcessor {
 public:
  explicit BlockNgrams(std::shared_ptr<const Corpus> corpus) : corpus_(std::move(corpus)) {}

  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override {
    return std::make_unique<BlockNgrams>(corpus_);
  }

  Result<void> apply(const LogitsRow& row) override {
    const std::size_t n = corpus_->context;
    if (row.tokens.size() < n) return {};
    const auto last = row.tokens.last(n);
    const auto [begin, end] = corpus_->places.equal_range(hash_of(last));
    for (auto it = begin; it != end; ++it) {
      const auto ids = std::span(corpus_->ids).subspan(it->second);
      const auto next = static_cast<std::size_t>(ids[n]);
      if (next < row.logits.size() && std::ranges::equal(last, ids.first(n))) {
        row.logits[next] = -std::numeric_limits<float>::infinity();
      }
    }
    return {};
  }

 private:
  std::shared_ptr<const Corpus> corpus_;
};

}  // namespace

Result<std::shared_ptr<const LogitsProcessor>> block_ngrams(std::span<const TokenId> corpus,
                                                            std::size_t n) {
  if (n == 0) {
    return Error{ErrorCode::kInvalidArgument, "blocked n-grams have at least one token"};
  }
  return std::shared_ptr<const LogitsProcessor>(
      std::make_shared<BlockNgrams>(std::make_shared<const Corpus>(corpus, n)));
}

}  // namespace weft::inference
