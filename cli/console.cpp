#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>

namespace weft::cli {
namespace {

constexpr std::chrono::milliseconds kRedrawInterval{100};
constexpr std::chrono::seconds kLineInterval{15};  // where there is no terminal
constexpr std::size_t kBarCells = 24;

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::size_t terminal_columns(std::FILE* stream) {
  winsize size{};
  return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string json_line(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return std::to_string(bytes) + " B";
  if (bytes < 1'000'000) return formatted("%.1f kB", value / 1e3);
  if (bytes < 1'000'000'000) return formatted("%.1f MB", value / 1e6);
  return formatted("%.2f GB", value / 1e9);
}

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 1) return formatted("%.0f ms", seconds * 1e3);
  if (seconds < 60) return formatted("%.1f s", seconds);
  const auto whole = static_cast<long>(std::min(seconds, 3.6e6));
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

Console::Console(std::FILE* out, std::FILE* err, Options options)
    : out_(out),
      err_(err),
      options_(options),
      out_is_terminal_(isatty(fileno(out)) == 1),
      err_is_terminal_(isatty(fileno(err)) == 1) {}

bool Console::print(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), out_) == text.size();
  if (std::fflush(out_) == 0 && written) return true;
  if (print_error_ == 0) print_error_ = errno == 0 ? EIO : errno;
  return false;
}

bool Console::print_json(const nlohmann::ordered_json& value) { return print(json_line(value)); }

void Console::log_json(const nlohmann::ordered_json& value) {
  if (!options_.json_log) return;
  const std::string line = json_line(value);
  std::fwrite(line.data(), 1, line.size(), err_);
}

void Console::note(std::string_view message) {
  if (options_.json_log) return log_json({{"level", "info"}, {"message", message}});
  std::fprintf(err_, "%.*s\n", static_cast<int>(message.size()), message.data());
}

void Console::warn(std::string_view message) {
  if (options_.json_log) return log_json({{"level", "warning"}, {"message", message}});
  std::fprintf(err_, "weft: warning: %.*s\n", static_cast<int>(message.size()), message.data());
}

void Console::fail(const Error& error) {
  const nlohmann::ordered_json value = {
      {"error", {{"code", to_string(error.code)}, {"message", error.message}}}};
  if (options_.json_result) print_json(value);
  if (options_.json_log) return log_json(value);
  std::fprintf(err_, "weft: %s\n", error.message.c_str());
}

std::string Console::dim(std::string_view text) const {
  return out_is_terminal_ ? "\033[2m" + std::string(text) + "\033[0m" : std::string(text);
}

std::string Console::bold(std::string_view text) const {
  return out_is_terminal_ ? "\033[1m" + std::string(text) + "\033[0m" : std::string(text);
}

Progress::Progress(Console& console, std::string label, Unit unit)
    : console_(console),
      label_(std::move(label)),
      unit_(unit),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (!visible_) return;
  std::fputs("\r\033[K", console_.err_);
  std::fflush(console_.err_);
  visible_ = false;
}

std::string Progress::numbers(std::uint64_t done, std::uint64_t total) const {
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0;
  std::string text;
  if (unit_ == Unit::kBytes) {
    text = human_bytes(done) + (total > 0 ? " of " + human_bytes(total) : "") + ", " +
           human_bytes(static_cast<std::uint64_t>(rate)) + "/s";
  } else {
    text = std::to_string(done) + " of " + std::to_string(total) + ", " +
           formatted(rate < 10 ? "%.1f" : "%.0f", rate) + "/s";
  }
  if (done == 0 || done >= total) return text;
  const double left = elapsed * static_cast<double>(total - done) / static_cast<double>(done);
  return text + ", " + human_duration(left) + " left";
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (!console_.err_is_terminal_ || console_.options_.json_log) {
    if (now - drawn_ < kLineInterval) return;
    drawn_ = now;
    return console_.note(label_ + ": " + numbers(done, total));
  }
  if (visible_ && done < total && now - drawn_ < kRedrawInterval) return;
  drawn_ = now;
  const double share =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0;
  const auto cells = static_cast<std::size_t>(share * kBarCells);
  std::string line = label_ + " [";
  for (std::size_t i = 0; i < kBarCells; ++i) line += i < cells ? '#' : '.';
  line += "] " + numbers(done, total);
  const std::size_t columns = terminal_columns(console_.err_) - 1;
  if (line.size() > columns) line.resize(columns);
  std::fprintf(console_.err_, "\r\033[K%s", line.c_str());
  std::fflush(console_.err_);
  visible_ = true;
}

}  // namespace weft::cli
