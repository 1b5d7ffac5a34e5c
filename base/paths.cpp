#include "base/paths.h"

#include <optional>
#include <string_view>

namespace weft {
namespace {

std::optional<std::filesystem::path> absolute_path_in(const Environment& environment,
                                                      const std::string& name) {
  const auto found = environment.find(name);
  if (found == environment.end()) return std::nullopt;
  const std::filesystem::path path(found->second);
  if (!path.is_absolute()) return std::nullopt;
  return path;
}

Result<std::filesystem::path> under_home(const Environment& environment, std::string_view below) {
  const auto home = absolute_path_in(environment, "HOME");
  if (!home) {
    return Error{ErrorCode::kNotFound,
                 "HOME is not set to an absolute path; set it, or WEFT_HOME for the data and "
                 "XDG_CONFIG_HOME for the configuration"};
  }
  return *home / below;
}

}  // namespace

Environment read_environment(const char* const* entries) {
  Environment environment;
  for (; entries != nullptr && *entries != nullptr; ++entries) {
    const std::string_view entry(*entries);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return environment;
}

Result<std::filesystem::path> data_home(const Environment& environment) {
  const auto set = environment.find("WEFT_HOME");
  if (set != environment.end() && !set->second.empty()) {
    const std::filesystem::path path(set->second);
    if (path.is_absolute()) return path;
    return Error{ErrorCode::kInvalidArgument,
                 "WEFT_HOME must be an absolute path, not \"" + set->second + "\""};
  }
  if (const auto xdg = absolute_path_in(environment, "XDG_DATA_HOME")) return *xdg / "weft";
  return under_home(environment, ".local/share/weft");
}

Result<std::filesystem::path> config_file(const Environment& environment) {
  if (const auto xdg = absolute_path_in(environment, "XDG_CONFIG_HOME")) {
    return *xdg / "weft/config.toml";
  }
  return under_home(environment, ".config/weft/config.toml");
}

}  // namespace weft
