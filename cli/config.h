#pragma once
// Settings of the program: one TOML file, the environment and flags, in rising order of precedence,
// over built-in defaults. Every value knows where it came from.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/paths.h"
#include "base/result.h"

namespace weft::cli {

using Value = std::variant<bool, std::int64_t, double, std::string>;

struct Setting {
  std::string_view key;                     // "section.name"; in the environment WEFT_SECTION_NAME
  Value fallback;                           // its type is the setting's type
  double min = 0, max = 0;                  // of numbers, where max > min
  std::vector<std::string_view> choices{};  // of strings, where any are named
  std::string_view help;
};

/// Every setting there is, by section, but those of remote models.
std::span<const Setting> settings();

/// What a section [remote.NAME] may have: "url" is the setting "remote.NAME.url", in the
/// environment WEFT_REMOTE_NAME_URL.
std::span<const Setting> remote_settings();

/// A value as it stands in the file or the environment, or after a flag.
std::string to_string(const Value& value);

class Config {
 public:
  struct Entry {
    Value value;
    std::string origin;  // "default", "FILE:LINE", "environment WEFT_…", "flag --…"
  };
  struct Flag {
    std::string name;  // "--model"
    std::string key;   // "model.name"
    std::string value;
  };

  /// Reads `file` if it exists (it must if `file_required`), then `environment`, then `flags`.
  /// Errors: kInvalidArgument names the origin, the key and the nearest known key, or the value
  /// and what is allowed; kNotFound for a required file; kIo.
  static Result<Config> load(const std::filesystem::path& file, bool file_required,
                             const Environment& environment, const std::vector<Flag>& flags);

  bool boolean(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& string(std::string_view key) const;
  const Entry& entry(std::string_view key) const;  // misuse aborts: keys are ours

  /// The remote models that the file or the environment has a section of, by name.
  const std::vector<std::string>& remotes() const noexcept { return remotes_; }

 private:
  Result<void> add_remote(const std::string& name, const std::string& origin);
  Result<bool> apply_remote_variable(const std::string& name, const std::string& text);
  Result<void> apply(std::string_view key, const Value& value, const std::string& origin);
  Result<void> apply_file(const std::filesystem::path& file, const std::string& text);
  Result<void> apply_environment(const Environment& environment);

  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> remotes_;
};

}  // namespace weft::cli
