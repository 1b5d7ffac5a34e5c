#pragma once
// Why an operation failed: a code to branch on, a message to read, and the line that found out.

#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,    // the caller's value is wrong: usage, configuration, a bad request
  kNotFound,           // a file, model, collection or document that isn't there
  kAlreadyExists,      // would overwrite
  kCorrupt,            // bytes that break their format's rules
  kUnsupported,        // well formed, but beyond what this build does
  kIo,                 // the operating system refused: disk full, permission, short read
  kNetwork,            // the peer or the way to it failed
  kPermissionDenied,   // a policy of ours refused
  kResourceExhausted,  // a named limit was reached: memory, context, steps, size
  kCancelled,          // the caller stopped it
  kDeadlineExceeded,   // its time ran out
  kConflict,           // somebody else holds or changed it
  kSuspended,          // it waits for a person's answer, and can go on when that is there
  kInternal,           // a bug of ours
};

/// The code's name as it stands in JSON output, such as "not_found".
std::string_view to_string(ErrorCode code) noexcept;
/// The code of such a name.
std::optional<ErrorCode> error_code_named(std::string_view name) noexcept;

/// A failure as a value. The message says what, where, why and, where it can, what to try.
// clang-tidy doesn't follow the variant in which a Result keeps its Error, and thinks it unset.
struct Error {  // NOLINT(clang-analyzer-core.uninitialized.Assign)
  Error(ErrorCode error_code, std::string text,
        std::source_location found_at = std::source_location::current())
      : code(error_code), message(std::move(text)), where(found_at) {}

  ErrorCode code;
  std::string message;
  std::source_location where;

  /// The same failure with `context` and ": " before its message.
  Error with_context(std::string_view context) const&;
  Error with_context(std::string_view context) &&;
};

}  // namespace weft
