#include "cli/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "agents/confidence.h"
#include "base/nearest.h"

namespace weft::cli {
namespace {

constexpr std::string_view kRemote = "remote";
constexpr std::string_view kRemotePrefix = "remote.";

/// NAME of "remote.NAME.KEY"; empty for another key.
std::string_view remote_of(std::string_view key) {
  if (!key.starts_with(kRemotePrefix)) return {};
  key.remove_prefix(kRemotePrefix.size());
  return key.substr(0, key.rfind('.') == std::string_view::npos ? 0 : key.rfind('.'));
}

const Setting* find_setting(std::string_view key) {
  const bool is_remote = !remote_of(key).empty();
  const std::string_view wanted = is_remote ? key.substr(key.rfind('.') + 1) : key;
  for (const Setting& setting : is_remote ? remote_settings() : settings()) {
    if (setting.key == wanted) return &setting;
  }
  return nullptr;
}

std::vector<std::string> known_keys(std::string_view remote) {
  std::vector<std::string> keys;
  for (const Setting& setting : settings()) keys.emplace_back(setting.key);
  if (remote.empty()) return keys;
  for (const Setting& setting : remote_settings()) {
    keys.push_back(std::string(kRemotePrefix) + std::string(remote) + "." +
                   std::string(setting.key));
  }
  return keys;
}

Error unknown_key(std::string_view key, const std::string& origin) {
  const auto keys = known_keys(remote_of(key));
  return {ErrorCode::kInvalidArgument, origin + ": unknown setting \"" + std::string(key) + "\"" +
                                           did_you_mean(key, keys) +
                                           " (`weft config show` lists all settings)"};
}

std::string_view type_name(const Value& value) {
  static constexpr std::string_view kNames[] = {"true or false", "a whole number", "a number",
                                                "a text"};
  return kNames[value.index()];
}

// Text from the environment or a flag as the type that the setting has.
Result<Value> parse_value(const Setting& setting, const std::string& text) {
  const auto end = text.data() + text.size();
  if (std::holds_alternative<std::string>(setting.fallback)) return Value(text);
  if (std::holds_alternative<bool>(setting.fallback)) {
    if (text == "true" || text == "1" || text == "on" || text == "yes") return Value(true);
    if (text == "false" || text == "0" || text == "off" || text == "no") return Value(false);
  } else if (std::holds_alternative<std::int64_t>(setting.fallback)) {
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && stop == end) return Value(number);
    if (error == std::errc::result_out_of_range) {
      return Error{ErrorCode::kInvalidArgument, "'" + text + "' is too large a number"};
    }
  } else {
    double number = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && stop == end) return Value(number);
  }
  return Error{ErrorCode::kInvalidArgument,
               "'" + text + "' isn't " + std::string(type_name(setting.fallback))};
}

Result<void> check_range(const Setting& setting, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (setting.choices.empty() ||
        std::ranges::find(setting.choices, *text) != setting.choices.end())
      return {};
    std::string list;
    for (const auto& choice : setting.choices) {
      list += (list.empty() ? "" : ", ") + (choice.empty() ? "\"\"" : std::string(choice));
    }
    return Error{ErrorCode::kInvalidArgument, "'" + *text + "' isn't one of " + list};
  }
  if (setting.max <= setting.min || std::holds_alternative<bool>(value)) return {};
  const double number = std::holds_alternative<double>(value)
                            ? std::get<double>(value)
                            : static_cast<double>(std::get<std::int64_t>(value));
  if (std::isfinite(number) && number >= setting.min && number <= setting.max) return {};
  std::ostringstream text;
  // Six digits, the default, would show a mebi as 1.04858e+06.
  text << std::setprecision(15) << to_string(value) << " is outside " << setting.min << " to "
       << setting.max;
  return Error{ErrorCode::kInvalidArgument, text.str()};
}

std::string environment_name(std::string_view key) {
  std::string name = "WEFT_";
  for (const char c : key) {
    name += c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(c));
  }
  return name;
}

struct Line {
  std::string key;
  Value value;
  std::string place;
};

/// The values of a section of the file, and of the sections inside [remote].
Result<void> read_section(const std::string& section, const toml::table& table,
                          const std::filesystem::path& file, std::vector<Line>& lines) {
  for (const auto& [name, node] : table) {
    const std::string place = file.string() + ":" + std::to_string(node.source().begin.line);
    const std::string key = section + "." + std::string(name.str());
    Value value;
    if (const auto* flag = node.as_boolean()) {
      value = flag->get();
    } else if (const auto* integer = node.as_integer()) {
      value = integer->get();
    } else if (const auto* number = node.as_floating_point()) {
      value = number->get();
    } else if (const auto* string = node.as_string()) {
      value = string->get();
    } else if (const auto* inner = node.as_table(); inner != nullptr && section == kRemote) {
      WEFT_TRY_VOID(read_section(key, *inner, file, lines));
      continue;
    } else if (find_setting(key) == nullptr) {
      return unknown_key(key, place);
    } else {
      return Error{ErrorCode::kInvalidArgument,
                   place + ": " + key + ": a single value belongs here"};
    }
    lines.push_back({key, std::move(value), place});
  }
  return {};
}

std::string lower(std::string_view text) {
  std::string made;
  for (const char c : text) made += static_cast<char>(std::tolower(c));
  return made;
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> kSettings = {
      {.key = "model.name",
       .fallback = std::string("qwen2.5-coder-0.5b"),
       .help = "model that answers: a known name, the path of a GGUF file, or remote:NAME"},
      {.key = "embedding.model",
       .fallback = std::string("all-minilm-l6-v2"),
       .help = "model that embeds: a known name, a folder, or the path of a GGUF file"},
      {.key = "embedding.precision",
       .fallback = std::string("int8"),
       .choices = {"int8", "f32"},
       .help = "what embeddings are computed in; f32 is exact and a third as fast"},
      {.key = "engine.threads",
       .fallback = std::int64_t{0},
       .max = 1024,
       .help = "compute threads; 0 = one a core"},
      {.key = "engine.cpu",
       .fallback = std::string(),
       .choices = {"", "scalar", "avx2", "avx512vnni"},
       .help = "instruction set; empty = the best there is (also WEFT_CPU)"},
      {.key = "engine.kv",
       .fallback = std::string("f16"),
       .choices = {"f16", "q8_0"},
       .help = "keys and values of what was read; q8_0 takes 53 % of the memory, and time"},
      {.key = "engine.context",
       .fallback = std::int64_t{8192},
       .min = 64,
       .max = 1 << 20,
       .help = "most tokens a session holds (at most what the model was trained for)"},
      {.key = "engine.prefix_cache_mb",
       .fallback = std::int64_t{256},
       .max = 1 << 20,
       .help = "most memory for passages that were read, kept for the next questions, MiB; same "
               "answers, sooner"},
      {.key = "engine.draft",
       .fallback = std::int64_t{10},
       .min = 0,
       .max = 64,
       .help = "most tokens drafted from the prompt at once: same output, sooner; 0 = none"},
      {.key = "retrieval.collection",
       .fallback = std::string("default"),
       .help = "collection to read and write"},
      {.key = "retrieval.stop_words",
       .fallback = std::string("english"),
       .choices = {"english", "none"},
       .help = "words left out of a query"},
      {.key = "retrieval.passages",
       .fallback = std::int64_t{3},
       .min = 1,
       .max = 100,
       .help = "passages to find, or to answer from"},
      {.key = "answer.max_tokens",
       .fallback = std::int64_t{160},
       .min = 1,
       .max = 1 << 20,
       .help = "longest answer, in tokens"},
      {.key = "answer.think_tokens",
       .fallback = std::int64_t{1024},
       .min = 0,
       .max = 1 << 20,
       .help = "longest thinking before an answer, in tokens, of models that think"},
      {.key = "answer.threshold",
       .fallback = agents::kConfidenceThreshold,
       .max = 1,
       .help = "confidence below which `ask` says that it doesn't know; 0 = always answer"},
      {.key = "index.file_mb_max",
       .fallback = std::int64_t{64},
       .min = 1,
       .max = 4096,
       .help = "largest file that is indexed, MiB"},
      {.key = "index.pdf_memory_mb",
       .fallback = std::int64_t{512},
       .min = 64,
       .max = 65536,
       .help = "most memory that pdftotext may take, MiB"},
      {.key = "index.pdf_seconds",
       .fallback = std::int64_t{60},
       .min = 1,
       .max = 3600,
       .help = "longest that pdftotext may run"},
      {.key = "network.offline", .fallback = false, .help = "refuse every connection"},
      {.key = "log.format",
       .fallback = std::string("text"),
       .choices = {"text", "json"},
       .help = "progress and log lines on standard error"},
  };
  return kSettings;
}

std::span<const Setting> remote_settings() {
  static const std::vector<Setting> kSettings = {
      {.key = "url",
       .fallback = std::string(),
       .help = "of an OpenAI-compatible server's API: http://127.0.0.1:8080/v1"},
      {.key = "model",
       .fallback = std::string(),
       .help = "the server's name for the model; empty if it has but one"},
      {.key = "api_key_env",
       .fallback = std::string(),
       .help = "environment variable that holds the API key; empty: no key is sent"},
      {.key = "connect_timeout_s",
       .fallback = std::int64_t{10},
       .min = 1,
       .max = 3600,
       .help = "longest that connecting may take"},
      {.key = "idle_timeout_s",
       .fallback = std::int64_t{300},
       .min = 1,
       .max = 86400,
       .help = "longest that nothing may come, such as while the server reads a prompt"},
      {.key = "total_timeout_s",
       .fallback = std::int64_t{600},
       .min = 1,
       .max = 86400,
       .help = "longest that an answer may take, retries included"},
      {.key = "retries",
       .fallback = std::int64_t{2},
       .max = 10,
       .help = "how often a request that failed is sent again"},
      {.key = "parallel",
       .fallback = std::int64_t{4},
       .min = 1,
       .max = 64,
       .help = "lines of a batch that are at the server at once"},
      {.key = "prompt_price",
       .fallback = 0.0,
       .max = 1'000'000,
       .help = "of a million tokens that it reads, in whatever currency; for budgets of money"},
      {.key = "output_price",
       .fallback = 0.0,
       .max = 1'000'000,
       .help = "of a million tokens that it writes"},
  };
  return kSettings;
}

std::string to_string(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  std::ostringstream text;
  text << std::get<double>(value);
  return text.str();
}

Result<void> Config::apply(std::string_view key, const Value& value, const std::string& origin) {
  const Setting* setting = find_setting(key);
  if (setting == nullptr) return unknown_key(key, origin);
  Value typed = value;
  // TOML writes 1 where a setting is a fraction.
  if (std::holds_alternative<double>(setting->fallback) &&
      std::holds_alternative<std::int64_t>(value)) {
    typed = static_cast<double>(std::get<std::int64_t>(value));
  }
  if (const std::string remote(remote_of(key)); !remote.empty()) {
    WEFT_TRY_VOID(add_remote(remote, origin));
  }
  const std::string place = origin + ": " + std::string(key) + ": ";
  if (typed.index() != setting->fallback.index()) {
    return Error{ErrorCode::kInvalidArgument, place + "'" + to_string(value) + "' isn't " +
                                                  std::string(type_name(setting->fallback))};
  }
  if (const auto checked = check_range(*setting, typed); !checked) {
    return Error{ErrorCode::kInvalidArgument, place + checked.error().message};
  }
  entries_.insert_or_assign(std::string(key), Entry{typed, origin});
  return {};
}

/// With every setting at its default, unless it is known.
Result<void> Config::add_remote(const std::string& name, const std::string& origin) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (name.empty() || !std::ranges::all_of(name, is_plain)) {
    return Error{ErrorCode::kInvalidArgument, origin + ": the name of a remote model, \"" + name +
                                                  "\", may have small letters, digits, - and _"};
  }
  if (std::ranges::count(remotes_, name) > 0) return {};
  remotes_.push_back(name);
  for (const Setting& setting : remote_settings()) {
    entries_[std::string(kRemotePrefix) + name + "." + std::string(setting.key)] = {
        setting.fallback, "default"};
  }
  return {};
}

Result<void> Config::apply_file(const std::filesystem::path& file, const std::string& text) {
  try {
    const toml::table table = toml::parse(text, file.string());
    for (const auto& [section, content] : table) {
      const auto* keys = content.as_table();
      if (keys == nullptr) {
        return unknown_key(section.str(),
                           file.string() + ":" + std::to_string(content.source().begin.line));
      }
      std::vector<Line> lines;
      WEFT_TRY_VOID(read_section(std::string(section.str()), *keys, file, lines));
      for (const Line& line : lines) WEFT_TRY_VOID(apply(line.key, line.value, line.place));
    }
  } catch (const toml::parse_error& error) {
    return Error{ErrorCode::kInvalidArgument, file.string() + ":" +
                                                  std::to_string(error.source().begin.line) + ": " +
                                                  std::string(error.description())};
  }
  return {};
}

/// Whether the variable is one of a remote model, which may be in the environment alone.
Result<bool> Config::apply_remote_variable(const std::string& variable, const std::string& text) {
  const std::string prefix = environment_name(kRemotePrefix);
  if (!variable.starts_with(prefix)) return false;
  const std::string origin = "environment " + variable;
  const std::string_view rest = std::string_view(variable).substr(prefix.size());
  for (const Setting& setting : remote_settings()) {
    const std::string end = environment_name(std::string(".") + std::string(setting.key)).substr(5);
    if (!rest.ends_with(end) || rest.size() == end.size()) continue;
    std::string name = lower(rest.substr(0, rest.size() - end.size()));
    const auto known = std::ranges::find_if(remotes_, [&](const std::string& each) {
      return environment_name(each) == environment_name(name);
    });
    if (known != remotes_.end()) name = *known;
    const auto value = parse_value(setting, text);
    if (!value) return Error(value.error()).with_context(origin);
    WEFT_TRY_VOID(
        apply(std::string(kRemotePrefix) + name + "." + std::string(setting.key), *value, origin));
    return true;
  }
  return unknown_key(std::string(kRemotePrefix) + lower(rest), origin);
}

Result<void> Config::apply_environment(const Environment& environment) {
  for (const Setting& setting : settings()) {
    std::vector<std::string> names{environment_name(setting.key)};
    if (setting.key == "engine.cpu") names.insert(names.begin(), "WEFT_CPU");
    for (const std::string& name : names) {
      const auto found = environment.find(name);
      if (found == environment.end()) continue;
      const std::string origin = "environment " + name;
      const auto value = parse_value(setting, found->second);
      if (!value) return Error(value.error()).with_context(origin);
      WEFT_TRY_VOID(apply(setting.key, *value, origin));
    }
  }
  // A typo in a variable of one of our sections would otherwise go unnoticed.
  for (const auto& [name, value] : environment) {
    WEFT_TRY(is_remote, apply_remote_variable(name, value));
    if (is_remote) continue;
    for (const Setting& setting : settings()) {
      const std::string prefix =
          environment_name(setting.key.substr(0, setting.key.find('.'))) + "_";
      if (!name.starts_with(prefix)) continue;
      const bool known = std::ranges::any_of(
          settings(), [&](const Setting& each) { return environment_name(each.key) == name; });
      if (known) break;
      std::string key(setting.key.substr(0, setting.key.find('.') + 1));
      for (const char c : name.substr(prefix.size())) key += static_cast<char>(std::tolower(c));
      return unknown_key(key, "environment " + name);
    }
  }
  return {};
}

Result<Config> Config::load(const std::filesystem::path& file, bool file_required,
                            const Environment& environment, const std::vector<Flag>& flags) {
  Config config;
  for (const Setting& setting : settings()) {
    config.entries_[std::string(setting.key)] = {setting.fallback, "default"};
  }
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    return Error{ErrorCode::kInvalidArgument,
                 file.string() + " is a folder; a configuration is a file"};
  }
  if (std::filesystem::exists(file, error)) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    if (!stream) return Error{ErrorCode::kIo, "cannot read " + file.string()};
    WEFT_TRY_VOID(config.apply_file(file, text.str()));
  } else if (file_required) {
    return Error{ErrorCode::kInvalidArgument, "no configuration file at " + file.string()};
  }
  WEFT_TRY_VOID(config.apply_environment(environment));
  for (const Flag& flag : flags) {
    const Setting* setting = find_setting(flag.key);
    if (setting == nullptr) return unknown_key(flag.key, "flag " + flag.name);
    const auto value = parse_value(*setting, flag.value);
    if (!value) return Error(value.error()).with_context("flag " + flag.name);
    WEFT_TRY_VOID(config.apply(flag.key, *value, "flag " + flag.name));
  }
  return config;
}

const Config::Entry& Config::entry(std::string_view key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    std::fprintf(stderr, "weft: no setting %.*s\n", static_cast<int>(key.size()), key.data());
    std::abort();
  }
  return found->second;
}

bool Config::boolean(std::string_view key) const { return std::get<bool>(entry(key).value); }
std::int64_t Config::integer(std::string_view key) const {
  return std::get<std::int64_t>(entry(key).value);
}
double Config::number(std::string_view key) const { return std::get<double>(entry(key).value); }
const std::string& Config::string(std::string_view key) const {
  return std::get<std::string>(entry(key).value);
}

}  // namespace weft::cli
