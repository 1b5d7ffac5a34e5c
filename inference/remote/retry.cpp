#include "inference/remote/retry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>
#include <string>

namespace weft::inference {
namespace {

using std::chrono::milliseconds;

constexpr std::time_t kDay = 24 * 3600;
constexpr double kDayMs = kDay * 1000.0;

/// A whole or a decimal number of units of `unit_ms`, not negative; a day at most.
std::optional<milliseconds> duration_of(std::string_view text, double unit_ms) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || stop != end || !(number >= 0)) return std::nullopt;
  return milliseconds(static_cast<std::int64_t>(std::ceil(std::min(number * unit_ms, kDayMs))));
}

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7); its older forms aren't sent any more.
std::optional<std::time_t> date_of(std::string_view text) {
  std::tm parts{};
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  stream >> std::get_time(&parts, "%a, %d %b %Y %H:%M:%S GMT");
  if (stream.fail()) return std::nullopt;
  return ::timegm(&parts);
}

}  // namespace

bool may_pass(const net::HttpHead& head) {
  const auto wish = head.header("x-should-retry");
  if (wish == "true" || wish == "false") return *wish == "true";
  constexpr int kServerErrors = 500;
  return head.status == 408 || head.status == 409 || head.status == 429 ||
         head.status >= kServerErrors;
}

std::optional<milliseconds> retry_after(const net::HttpHead& head, UnixTime now) {
  if (const auto exact = head.header("retry-after-ms")) {
    if (const auto wait = duration_of(*exact, 1)) return wait;
  }
  const auto usual = head.header("Retry-After");
  if (!usual) return std::nullopt;
  if (const auto wait = duration_of(*usual, 1000)) return wait;
  const auto date = date_of(*usual);
  if (!date) return std::nullopt;
  const std::time_t from_now = *date - std::chrono::system_clock::to_time_t(now);
  return std::chrono::seconds(std::clamp<std::time_t>(from_now, 0, kDay));
}

std::optional<milliseconds> retry_delay(const RetryOptions& options, int retry,
                                        std::optional<milliseconds> asked, Random& random) {
  if (retry >= options.retries_max) return std::nullopt;
  if (asked) {
    if (*asked > options.retry_after_max) return std::nullopt;
    const double wait = static_cast<double>(asked->count()) * (1 + 0.1 * random.uniform());
    return milliseconds(static_cast<std::int64_t>(std::ceil(wait)));
  }
  const double doubled = std::ldexp(static_cast<double>(options.backoff.count()), retry);
  const double wait = std::min(doubled, static_cast<double>(options.backoff_max.count())) *
                      (0.75 + 0.5 * random.uniform());
  return milliseconds(static_cast<std::int64_t>(wait));
}

}  // namespace weft::inference
