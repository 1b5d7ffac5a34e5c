#pragma once
// What a piece of work may use and when it must end: a stop token, a deadline, and a ledger of
// prompt tokens, output tokens, calls, money and time. Scopes nest: what a child spends, its
// parents spend. At every moment, in every scope and unit: spent + reserved <= limit.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace weft {

struct Spend {
  std::int64_t prompt_tokens = 0;  // that a model reads, cached ones included
  std::int64_t output_tokens = 0;  // that it writes, thoughts included
  std::int64_t calls = 0;
  std::int64_t money_micros = 0;  // millionths of the currency that the price table is in
  std::chrono::nanoseconds time{0};
  std::int64_t cached_tokens = 0;  // of prompt_tokens, those that were read before; never limited

  friend bool operator==(const Spend&, const Spend&) = default;
  /// A unit that would overflow stays at the largest number.
  friend Spend operator+(const Spend& a, const Spend& b) noexcept;
};

/// An absent member is no limit.
struct SpendLimit {
  std::optional<std::int64_t> prompt_tokens;
  std::optional<std::int64_t> output_tokens;
  std::optional<std::int64_t> calls;
  std::optional<std::int64_t> money_micros;
  std::optional<std::chrono::nanoseconds> time;
};

class Scope;

/// An amount set aside in a scope and its parents, for one owner. What isn't settled is refunded
/// on destruction. Must not outlive its scope.
class Reservation {
 public:
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { refund(); }

  /// Ends the reservation: `actual` is spent, the rest refunded. If more was used than reserved,
  /// the excess is spent too where every limit has room for it. Where one hasn't, all that was
  /// reserved is spent, the excess is added to overrun(), and kResourceExhausted says so.
  /// Errors: kInvalidArgument for a negative amount or a reservation that has ended.
  Result<void> settle(const Spend& actual);
  /// Ends the reservation with nothing spent.
  void refund() noexcept;

  const Spend& amount() const noexcept { return amount_; }

 private:
  friend class Scope;
  Reservation(Scope& scope, const Spend& amount) : scope_(&scope), amount_(amount) {}

  Scope* scope_;  // null once ended
  Spend amount_;
};

/// Thread-safe, and so are reservations of one scope that different threads own. A scope outlives
/// its children and reservations.
class Scope {
 public:
  struct Options {
    SpendLimit limit;
    std::optional<SteadyTime> deadline;
    std::stop_token stop;  // a stop from outside, such as the user's Ctrl-C
  };

  Scope(const Clock& clock, const Options& options);
  /// A child: its deadline is the earlier of both, it stops when its parent does.
  Scope(Scope& parent, const Options& options);
  explicit Scope(const Clock& clock) : Scope(clock, Options{}) {}
  // NOLINTNEXTLINE(google-explicit-constructor): it looks like a copy's, and makes a child
  explicit Scope(Scope& parent) : Scope(parent, Options{}) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Sets `amount` aside here and in all parents, or nowhere.
  /// Errors: kInvalidArgument for a negative amount; kResourceExhausted names the unit and limit;
  /// check()'s errors.
  Result<Reservation> reserve(const Spend& amount);

  /// Spends without a reservation, here and in all parents, also after a stop. Where a limit has no
  /// room, the amount is added to overrun() instead, and kResourceExhausted says so.
  /// Errors: also kInvalidArgument for a negative amount.
  Result<void> charge(const Spend& amount);

  /// Errors: kCancelled after a stop, kDeadlineExceeded after the deadline.
  Result<void> check() const;
  std::stop_token stop_token() const { return stop_.get_token(); }
  void request_stop() { stop_.request_stop(); }
  const std::optional<SteadyTime>& deadline() const noexcept { return deadline_; }
  const Clock& clock() const noexcept { return clock_; }

  Spend spent() const;
  Spend reserved() const;
  /// Spent and reserved, at one moment.
  Spend used() const;
  /// Used beyond what the limits allowed, by reservations that were too small.
  Spend overrun() const;
  /// The least that this scope or a parent has left, reservations counted as used.
  SpendLimit remaining() const;

 private:
  friend class Reservation;
  Result<void> settle(const Spend& reserved, const Spend& actual);
  void refund(const Spend& reserved);
  Result<void> check_room(const Spend& amount) const;

  const Clock& clock_;
  Scope* const parent_;
  const SpendLimit limit_;
  const std::optional<SteadyTime> deadline_;
  std::stop_source stop_;
  // One lock a tree: a reservation touches a whole chain of scopes at once.
  const std::shared_ptr<std::mutex> mutex_;
  Spend spent_;
  Spend reserved_;
  Spend overrun_;
  // Last, so that no callback meets a half-made or half-gone scope.
  using OnStop = std::stop_callback<std::function<void()>>;
  std::optional<OnStop> on_outside_stop_;
  std::optional<OnStop> on_parent_stop_;
};

}  // namespace weft
