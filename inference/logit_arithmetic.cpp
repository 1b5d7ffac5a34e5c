#include "inference/logit_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace weft::inference {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

class LogitArithmetic : public LogitsProcessor {
 public:
  LogitArithmetic(std::vector<Peer> peers, const CombineOptions& options, std::stop_token stop)
      : options_(options), stop_(std::move(stop)) {
    for (Peer& peer : peers) members_.push_back({std::move(peer), {}});
  }

  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = true, .can_roll_back = true};
  }

  std::unique_ptr<LogitsProcessor> clone() const override {
    std::vector<Peer> peers;
    for (const Member& member : members_) {
      const Peer& peer = member.peer;
      peers.push_back({peer.session.fork(), peer.weight, peer.prompt});
    }
    auto copy = std::make_unique<LogitArithmetic>(std::move(peers), options_, stop_);
    copy->seen_ = seen_;
    return copy;
  }

  Result<void> begin(std::span<const TokenId> tokens, std::size_t rows) override {
    for (Member& member : members_) {
      auto read =
          seen_ == 0 ? read_prompt(member, tokens) : read_rows(member, tokens.subspan(seen_), rows);
      if (!read) return std::move(read).error().with_context("a model beside the base");
    }
    seen_ = tokens.size();
    return {};
  }

  Result<void> apply(const LogitsRow& row) override {
    std::vector<WeightedLogits> others;
    for (const Member& member : members_) {
      others.push_back({member.rows[row.draft_index], member.peer.weight});
    }
    combine(row.logits, others, options_);
    return {};
  }

  Result<void> commit(std::size_t) override { return {}; }

  Result<void> rollback(std::size_t rows) override {
    for (Member& member : members_) {
      Session& session = member.peer.session;
      WEFT_TRY_VOID(session.truncate(session.tokens().size() - rows));
    }
    seen_ -= rows;
    return {};
  }

 private:
  struct Member {
    Peer peer;
    std::vector<std::vector<float>> rows;  // logits of the present step
  };

  Result<void> read_prompt(Member& member, std::span<const TokenId> prompt) const {
    Session& session = member.peer.session;
    if (!member.peer.prompt.empty()) prompt = member.peer.prompt;
    // The last token is read anew for its logits.
    const std::size_t known = session.resume(prompt.first(prompt.size() - 1));
    WEFT_TRY_VOID(session.append(prompt.subspan(known), stop_));
    session.remember();
    member.rows.assign(1, {session.logits().begin(), session.logits().end()});
    return {};
  }

  Result<void> read_rows(Member& member, std::span<const TokenId> ids, std::size_t rows) const {
    member.rows.clear();
    const auto keep = [&](std::size_t, std::span<const float> logits) {
      member.rows.emplace_back(logits.begin(), logits.end());
    };
    return member.peer.session.append_each(ids, ids.size() - rows, keep, stop_);
  }

  CombineOptions options_;
  std::stop_token stop_;
  std::vector<Member> members_;
  std::size_t seen_ = 0;  // of the base's tokens, those that the peers have read
};

Error refusal(const std::string& reason) { return {ErrorCode::kInvalidArgument, reason}; }

/// Whether the ids that both have mean the same.
Result<void> check_vocabulary(const Tokenizer& base, const Tokenizer& other) {
  const std::size_t shared = std::min(base.size(), other.size());
  for (std::size_t token = 0; token < shared; ++token) {
    const auto id = static_cast<TokenId>(token);
    if (base.piece(id, true) == other.piece(id, true)) continue;
    return refusal("token " + std::to_string(id) + " is \"" + std::string(base.piece(id, true)) +
                   "\" for the base and \"" + std::string(other.piece(id, true)) +
                   "\" for the model beside it: models that choose tokens together need the same "
                   "vocabulary");
  }
  return {};
}

}  // namespace

void combine(std::span<float> logits, std::span<const WeightedLogits> others,
             const CombineOptions& options) {
  float least = kForbidden;
  if (options.plausibility > 0) {
    least = std::ranges::max(logits) + std::log(options.plausibility);
  }
  std::size_t shared = logits.size();
  for (const WeightedLogits& other : others) shared = std::min(shared, other.logits.size());
  for (std::size_t i = 0; i < shared; ++i) {
    if (logits[i] < least) {
      logits[i] = kForbidden;
      continue;
    }
    float sum = options.weight * logits[i];
    for (const WeightedLogits& other : others) sum += other.weight * other.logits[i];
    logits[i] = sum;
  }
  std::ranges::fill(logits.subspan(shared), kForbidden);
}

Result<std::shared_ptr<const LogitsProcessor>> logit_arithmetic(const Tokenizer& base,
                                                                std::vector<Peer> peers,
                                                                const CombineOptions& options,
                                                                std::stop_token stop) {
  if (peers.empty()) return refusal("there is no model beside the base");
  if (!std::isfinite(options.weight)) return refusal("the base's weight must be finite");
  if (!(options.plausibility >= 0 && options.plausibility <= 1)) {
    return refusal("the plausibility is " + std::to_string(options.plausibility) +
                   "; it must be from 0, which is off, to 1");
  }
  for (const Peer& peer : peers) {
    if (!std::isfinite(peer.weight)) return refusal("a model's weight must be finite");
    WEFT_TRY_VOID(check_vocabulary(base, peer.session.model().tokenizer()));
  }
  return std::shared_ptr<const LogitsProcessor>(
      std::make_shared<LogitArithmetic>(std::move(peers), options, std::move(stop)));
}

}  // namespace weft::inference
