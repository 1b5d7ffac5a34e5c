#include "base/log.h"

#include <nlohmann/json.hpp>

namespace weft {
namespace {

// A message may quote a file's or a peer's text: what isn't UTF-8 is replaced, never thrown at.
std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

nlohmann::ordered_json to_json(const LogValue& value) {
  return std::visit(
      [](const auto& held) -> nlohmann::ordered_json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::string_view>) {
          return std::string(held);
        } else {
          return held;
        }
      },
      value.get());
}

// Text without line breaks and terminal escapes, so that nobody can forge a line.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return out;
}

std::string text_of(const LogValue& value) {
  const auto* text = std::get_if<std::string_view>(&value.get());
  if (text == nullptr) return dump(to_json(value));
  const bool plain = !text->empty() && text->find_first_of(" =\"\\") == std::string_view::npos;
  return plain ? printable(*text) : printable(dump(std::string(*text)));
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

std::string StreamLogger::line(LogLevel level, std::string_view message,
                               std::span<const LogField> fields) const {
  const std::string time = to_rfc3339(clock_.unix_now());
  if (options_.format == Format::kJson) {
    nlohmann::ordered_json object;
    object["time"] = time;
    object["level"] = to_string(level);
    object["message"] = message;
    for (const LogField& field : fields) object[std::string(field.key)] = to_json(field.value);
    return dump(object);
  }
  constexpr std::size_t kClockAt = 11;  // after "2026-11-23T"
  std::string out = time.substr(kClockAt, 8);
  out.append(" ").append(to_string(level)).append(": ").append(printable(message));
  for (const LogField& field : fields) {
    out.append(" ").append(field.key).append("=").append(text_of(field.value));
  }
  return out;
}

void StreamLogger::write(LogLevel level, std::string_view message,
                         std::span<const LogField> fields) {
  if (level < options_.level_min) return;
  const std::string text = line(level, message, fields) + "\n";
  const std::lock_guard lock(mutex_);
  stream_ << text << std::flush;
}

}  // namespace weft
