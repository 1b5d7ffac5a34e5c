#pragma once
// When a request that failed is sent again, and after how long.

#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "base/random.h"

namespace weft::inference {

struct RetryOptions {
  int retries_max = 2;
  std::chrono::milliseconds backoff{500};  // before the first retry; doubled for each after it
  std::chrono::milliseconds backoff_max{8'000};
  std::chrono::milliseconds retry_after_max{
      60'000};  // a server that asks for more isn't waited for
};

/// Whether a status can be another one next time: 408, 409, 429 and from 500 on; the server has the
/// last word, with "x-should-retry".
bool may_pass(const net::HttpHead& head);

/// What the server asks for, with "retry-after-ms" or "Retry-After" in seconds or as a date.
std::optional<std::chrono::milliseconds> retry_after(const net::HttpHead& head, UnixTime now);

/// The wait before retry number `retry`, from 0: backoff 2^retry, +-25 % so that clients which
/// failed together don't come back together; or what the server asked for, up to 10 % more.
/// Nothing if there were enough retries or the server asks for too long a wait.
std::optional<std::chrono::milliseconds> retry_delay(const RetryOptions& options, int retry,
                                                     std::optional<std::chrono::milliseconds> asked,
                                                     Random& random);

}  // namespace weft::inference
