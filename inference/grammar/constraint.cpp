#include "inference/grammar/constraint.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "inference/grammar/recogniser.h"

namespace weft::inference::grammar {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

class Constraint : public LogitsProcessor {
 public:
  Constraint(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const TokenTrie> trie,
             const ConstraintOptions& options)
      : recogniser_(std::move(automaton), std::move(trie)), think_(options.think) {}

  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override {
    return std::make_unique<Constraint>(*this);
  }

  Result<void> begin(std::span<const TokenId>, std::size_t) override {
    rows_.clear();
    upcoming_.reset();
    if (last_) last_->place = recogniser_.compact(last_->place);
    return {};
  }

  Result<std::span<const std::uint64_t>> allowed(const LogitsRow& row) override {
    if (!upcoming_) upcoming_ = next_row(row);
    if (row.span == Span::kThink || upcoming_->may_open) return std::span<const std::uint64_t>();
    return recogniser_.mask(upcoming_->place);
  }

  Result<void> apply(const LogitsRow& row) override {
    const Row next = upcoming_ ? *upcoming_ : next_row(row);
    upcoming_.reset();
    rows_.push_back(next);
    if (row.span == Span::kThink) return {};
    const float opening =
        next.may_open ? row.logits[static_cast<std::size_t>(think_->open)] : kForbidden;
    const auto bits = recogniser_.mask(next.place);
    if (recogniser_.overflowed()) {
      return Error{ErrorCode::kResourceExhausted,
                   "the grammar has too many readings of the answer so far: make its alternatives "
                   "and repetitions easier to tell apart"};
    }
    if (std::ranges::all_of(bits, [](std::uint64_t word) { return word == 0; })) {
      return Error{ErrorCode::kUnsupported,
                   "the model's vocabulary has no token that the grammar allows after " +
                       std::to_string(row.tokens.size() - row.prompt_tokens) +
                       " tokens of the answer"};
    }
    apply_mask(bits, row.logits);
    if (next.may_open) row.logits[static_cast<std::size_t>(think_->open)] = opening;
    return {};
  }

  Result<void> commit(std::size_t rows) override {
    // A row that was never asked for hasn't been begun in earnest: its answer has ended.
    rows_.resize(std::min(rows, rows_.size()));
    if (!rows_.empty()) last_ = rows_.back();
    rows_.clear();
    upcoming_.reset();
    return {};
  }
  Result<void> rollback(std::size_t) override { return {}; }

  std::string forced(std::span<const TokenId> tokens, std::size_t bytes_max) override {
    return last_ ? recogniser_.forced(after(*last_, tokens.back()), bytes_max) : std::string();
  }

 private:
  /// A position of the answer: what the grammar made of the text before it.
  struct Row {
    Recogniser::Place place;
    Span span;
    bool may_open;  // thinking
  };

  Row next_row(const LogitsRow& row) {
    return {place_of(row), row.span,
            think_ && row.span == Span::kAnswer && !last_ && rows_.empty()};
  }

  Recogniser::Place place_of(const LogitsRow& row) {
    if (rows_.empty() && !last_) return recogniser_.start();
    return after(rows_.empty() ? *last_ : rows_.back(), row.tokens.back());
  }

  /// The place after the token that was drawn from a row.
  Recogniser::Place after(const Row& before, TokenId token) {
    const bool is_text =
        before.span == Span::kAnswer && !(before.may_open && token == think_->open);
    if (!is_text) return before.place;
    // An end that the caller has us ignore has no bytes: the text stays where it is.
    return recogniser_.after(before.place, recogniser_.trie().bytes(token));
  }

  Recogniser recogniser_;
  std::optional<ThinkSpan> think_;
  std::vector<Row> rows_;  // of the present step
  std::optional<Row> last_;
  std::optional<Row> upcoming_;  // that allowed() was asked for
};

}  // namespace

std::shared_ptr<const LogitsProcessor> constrain(std::shared_ptr<const Automaton> automaton,
                                                 std::shared_ptr<const TokenTrie> trie,
                                                 const ConstraintOptions& options) {
  return std::make_shared<Constraint>(std::move(automaton), std::move(trie), options);
}

void apply_mask(std::span<const std::uint64_t> bits, std::span<float> logits) {
  const std::size_t covered = std::min(bits.size() * 64, logits.size());
  for (std::size_t begin = 0; begin < covered; begin += 64) {
    const auto part = logits.subspan(begin, std::min<std::size_t>(64, covered - begin));
    const std::uint64_t allowed = bits[begin / 64];
    if (allowed == 0) {
      std::ranges::fill(part, kForbidden);
      continue;
    }
    // Whichever are fewer are visited.
    if (std::popcount(allowed) >= 32) {
      for (std::uint64_t denied = ~allowed; denied != 0; denied &= denied - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(denied));
        if (i < part.size()) part[i] = kForbidden;
      }
      continue;
    }
    for (std::size_t i = 0; i < part.size(); ++i) {
      if ((allowed >> i & 1) == 0) part[i] = kForbidden;
    }
  }
  std::ranges::fill(logits.subspan(covered), kForbidden);
}

}  // namespace weft::inference::grammar
