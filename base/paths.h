#pragma once
// Where the program keeps its data and configuration: the XDG base directories, from an
// environment that is handed in.

#include <filesystem>
#include <map>
#include <string>

#include "base/result.h"

namespace weft {

using Environment = std::map<std::string, std::string>;

/// The process's environment as main() got it: entries "NAME=value", ended by a null pointer.
Environment read_environment(const char* const* entries);

/// $WEFT_HOME, else $XDG_DATA_HOME/weft, else $HOME/.local/share/weft. Nothing is created. An empty
/// or relative XDG variable counts as absent, as the XDG specification asks.
/// Errors: kInvalidArgument for a relative WEFT_HOME; kNotFound if HOME is needed and absent.
Result<std::filesystem::path> data_home(const Environment& environment);

/// $XDG_CONFIG_HOME/weft/config.toml, else $HOME/.config/weft/config.toml; errors likewise.
Result<std::filesystem::path> config_file(const Environment& environment);

}  // namespace weft
