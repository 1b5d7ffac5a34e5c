#include "base/scope.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>

namespace weft {
namespace {

// The units as one row, so that each rule is written once.
constexpr std::size_t kUnits = 6;
constexpr std::array<std::string_view, kUnits> kUnitNames = {
    "prompt tokens",      "output tokens", "calls",
    "money (millionths)", "time (ns)",     "cached prompt tokens"};
using Row = std::array<std::int64_t, kUnits>;

Row row_of(const Spend& spend) {
  return {spend.prompt_tokens, spend.output_tokens, spend.calls,
          spend.money_micros,  spend.time.count(),  spend.cached_tokens};
}

Spend spend_of(const Row& row) {
  return {row[0], row[1], row[2], row[3], std::chrono::nanoseconds(row[4]), row[5]};
}

std::array<std::optional<std::int64_t>, kUnits> row_of(const SpendLimit& limit) {
  std::optional<std::int64_t> time;
  if (limit.time) time = limit.time->count();
  return {limit.prompt_tokens, limit.output_tokens, limit.calls, limit.money_micros, time, {}};
}

// Without a limit a sum may grow for ever: it stays at the largest number instead of wrapping.
std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

// a - b, at least 0; of amounts that aren't negative.
Spend subtract(const Spend& a, const Spend& b) {
  Row left = row_of(a);
  const Row less = row_of(b);
  for (std::size_t i = 0; i < kUnits; ++i) left[i] = left[i] > less[i] ? left[i] - less[i] : 0;
  return spend_of(left);
}

Spend smaller(const Spend& a, const Spend& b) {
  Row least = row_of(a);
  const Row other = row_of(b);
  for (std::size_t i = 0; i < kUnits; ++i) least[i] = std::min(least[i], other[i]);
  return spend_of(least);
}

Result<void> check_amount(const Spend& amount) {
  const Row row = row_of(amount);
  for (std::size_t i = 0; i < kUnits; ++i) {
    if (row[i] < 0) {
      return Error{ErrorCode::kInvalidArgument,
                   "an amount of " + std::string(kUnitNames[i]) + " is negative"};
    }
  }
  return {};
}

std::optional<SteadyTime> earlier(std::optional<SteadyTime> a, std::optional<SteadyTime> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

Spend operator+(const Spend& a, const Spend& b) noexcept {
  Row sum = row_of(a);
  const Row more = row_of(b);
  for (std::size_t i = 0; i < kUnits; ++i) sum[i] = add(sum[i], more[i]);
  return spend_of(sum);
}

Reservation::Reservation(Reservation&& other) noexcept
    : scope_(std::exchange(other.scope_, nullptr)), amount_(other.amount_) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    refund();
    scope_ = std::exchange(other.scope_, nullptr);
    amount_ = other.amount_;
  }
  return *this;
}

Result<void> Reservation::settle(const Spend& actual) {
  if (scope_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "this reservation was settled or refunded before"};
  }
  WEFT_TRY_VOID(check_amount(actual));
  return std::exchange(scope_, nullptr)->settle(amount_, actual);
}

void Reservation::refund() noexcept {
  if (scope_ != nullptr) std::exchange(scope_, nullptr)->refund(amount_);
}

Scope::Scope(const Clock& clock, const Options& options)
    : clock_(clock),
      parent_(nullptr),
      limit_(options.limit),
      deadline_(options.deadline),
      mutex_(std::make_shared<std::mutex>()) {
  on_outside_stop_.emplace(options.stop, [this] { stop_.request_stop(); });
}

Scope::Scope(Scope& parent, const Options& options)
    : clock_(parent.clock_),
      parent_(&parent),
      limit_(options.limit),
      deadline_(earlier(options.deadline, parent.deadline_)),
      mutex_(parent.mutex_) {
  on_outside_stop_.emplace(options.stop, [this] { stop_.request_stop(); });
  on_parent_stop_.emplace(parent.stop_token(), [this] { stop_.request_stop(); });
}

Result<void> Scope::check() const {
  if (stop_.stop_requested()) return Error{ErrorCode::kCancelled, "stopped"};
  if (deadline_ && clock_.steady_now() >= *deadline_) {
    return Error{ErrorCode::kDeadlineExceeded, "the deadline has passed"};
  }
  return {};
}

Result<void> Scope::check_room(const Spend& amount) const {
  const auto limit = row_of(limit_);
  const Row used = row_of(spent_ + reserved_);
  const Row wanted = row_of(amount);
  for (std::size_t i = 0; i < kUnits; ++i) {
    if (limit[i] && add(used[i], wanted[i]) > *limit[i] && wanted[i] > 0) {
      return Error{ErrorCode::kResourceExhausted,
                   "the budget has no room for " + std::to_string(wanted[i]) + " more " +
                       std::string(kUnitNames[i]) + ": " + std::to_string(used[i]) + " of " +
                       std::to_string(*limit[i]) + " are used or reserved"};
    }
  }
  return {};
}

Result<Reservation> Scope::reserve(const Spend& amount) {
  WEFT_TRY_VOID(check_amount(amount));
  WEFT_TRY_VOID(check());
  const std::lock_guard lock(*mutex_);
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent_) {
    WEFT_TRY_VOID(scope->check_room(amount));
  }
  for (Scope* scope = this; scope != nullptr; scope = scope->parent_) {
    scope->reserved_ = scope->reserved_ + amount;
  }
  return Reservation(*this, amount);
}

Result<void> Scope::charge(const Spend& amount) {
  WEFT_TRY_VOID(check_amount(amount));
  return settle({}, amount);
}

Result<void> Scope::settle(const Spend& reserved, const Spend& actual) {
  const std::lock_guard lock(*mutex_);
  const Spend excess = subtract(actual, reserved);
  Result<void> room;
  for (const Scope* scope = this; scope != nullptr && room; scope = scope->parent_) {
    room = scope->check_room(excess);
  }
  const Spend charged = room ? actual : smaller(actual, reserved);
  for (Scope* scope = this; scope != nullptr; scope = scope->parent_) {
    scope->reserved_ = subtract(scope->reserved_, reserved);
    scope->spent_ = scope->spent_ + charged;
    if (!room) scope->overrun_ = scope->overrun_ + excess;
  }
  if (!room) return room.error().with_context("more was used than reserved");
  return {};
}

void Scope::refund(const Spend& reserved) {
  const std::lock_guard lock(*mutex_);
  for (Scope* scope = this; scope != nullptr; scope = scope->parent_) {
    scope->reserved_ = subtract(scope->reserved_, reserved);
  }
}

Spend Scope::spent() const {
  const std::lock_guard lock(*mutex_);
  return spent_;
}

Spend Scope::reserved() const {
  const std::lock_guard lock(*mutex_);
  return reserved_;
}

Spend Scope::used() const {
  const std::lock_guard lock(*mutex_);
  return spent_ + reserved_;
}

Spend Scope::overrun() const {
  const std::lock_guard lock(*mutex_);
  return overrun_;
}

SpendLimit Scope::remaining() const {
  const std::lock_guard lock(*mutex_);
  std::array<std::optional<std::int64_t>, kUnits> least;
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent_) {
    const auto limit = row_of(scope->limit_);
    const Row used = row_of(scope->spent_ + scope->reserved_);
    for (std::size_t i = 0; i < kUnits; ++i) {
      if (!limit[i]) continue;
      const std::int64_t left = std::max<std::int64_t>(0, *limit[i] - used[i]);
      least[i] = least[i] ? std::min(*least[i], left) : left;
    }
  }
  SpendLimit result{least[0], least[1], least[2], least[3], std::nullopt};
  if (least[4]) result.time = std::chrono::nanoseconds(*least[4]);
  return result;
}

}  // namespace weft
