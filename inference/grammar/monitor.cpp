#include "inference/grammar/monitor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "inference/grammar/constraint.h"

namespace weft::inference::grammar {
namespace {

class MonitorProcessor : public LogitsProcessor {
 public:
  MonitorProcessor(std::shared_ptr<const Monitor> monitor, std::shared_ptr<const TokenTrie> trie)
      : monitor_(std::move(monitor)), trie_(std::move(trie)) {}

  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override {
    auto copy = std::make_unique<MonitorProcessor>(monitor_, trie_);
    if (last_) copy->last_ = last_->copy();
    return copy;
  }

  Result<void> begin(std::span<const TokenId>, std::size_t) override {
    rows_.clear();
    return {};
  }

  Result<void> apply(const LogitsRow& row) override {
    Row& now = rows_.emplace_back(next(row));
    now.span = row.span;
    if (row.span == Span::kThink) return {};
    now.monitor->pre(now.text);
    std::vector<std::uint64_t> bits((trie_->vocabulary() + 63) / 64);
    now.monitor->allow(bits);
    if (std::ranges::all_of(bits, [](std::uint64_t word) { return word == 0; })) {
      return Error{ErrorCode::kUnsupported,
                   "the model's vocabulary has no token that the monitor allows after " +
                       std::to_string(row.tokens.size() - row.prompt_tokens) +
                       " tokens of the answer"};
    }
    apply_mask(bits, row.logits);
    return {};
  }

  Result<void> commit(std::size_t rows) override {
    rows_.resize(std::min(rows, rows_.size()));
    if (!rows_.empty()) last_ = std::move(rows_.back());
    rows_.clear();
    return {};
  }
  Result<void> rollback(std::size_t) override { return {}; }

 private:
  /// A position of the answer, and what the monitor made of the text before it.
  struct Row {
    std::unique_ptr<Monitor> monitor;
    std::string text;
    Span span = Span::kAnswer;

    Row copy() const { return {monitor->clone(), text, span}; }
  };

  Row next(const LogitsRow& row) const {
    if (rows_.empty() && !last_) {
      Row first{monitor_->clone(), {}, row.span};
      for (const TokenId id : row.tokens) first.text += trie_->bytes(id);
      return first;
    }
    Row made = (rows_.empty() ? *last_ : rows_.back()).copy();
    if (made.span == Span::kThink) return made;
    const std::string_view piece = trie_->bytes(row.tokens.back());
    made.text += piece;
    made.monitor->update(piece);
    return made;
  }

  std::shared_ptr<const Monitor> monitor_;
  std::shared_ptr<const TokenTrie> trie_;
  std::vector<Row> rows_;  // of the present step
  std::optional<Row> last_;
};

}  // namespace

std::shared_ptr<const LogitsProcessor> watch(std::shared_ptr<const Monitor> monitor,
                                             std::shared_ptr<const TokenTrie> trie) {
  return std::make_shared<MonitorProcessor>(std::move(monitor), std::move(trie));
}

}  // namespace weft::inference::grammar
