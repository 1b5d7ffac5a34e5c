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

const Setting* find_setting(std::string_view key) {
  for (const Setting& setting : settings()) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  for (const Setting& setting : settings()) keys.emplace_back(setting.key);
  return keys;
}

Error unknown_key(std::string_view key, const std::string& origin) {
  const auto keys = known_keys();
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
  for (const char c : key) name += c == '.' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> kSettings = {
      {.key = "model.name",
       .fallback = std::string("qwen2.5-coder-0.5b"),
       .help = "model that answers: a known name, or the path of a GGUF file"},
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

Result<void> Config::apply_file(const std::filesystem::path& file, const std::string& text) {
  try {
    const toml::table table = toml::parse(text, file.string());
    for (const auto& [section, content] : table) {
      const auto place = [&](const toml::node& node) {
        return file.string() + ":" + std::to_string(node.source().begin.line);
      };
      const auto* keys = content.as_table();
      if (keys == nullptr) return unknown_key(section.str(), place(content));
      for (const auto& [name, node] : *keys) {
        const std::string key = std::string(section.str()) + "." + std::string(name.str());
        Value value;
        if (const auto* flag = node.as_boolean()) {
          value = flag->get();
        } else if (const auto* integer = node.as_integer()) {
          value = integer->get();
        } else if (const auto* number = node.as_floating_point()) {
          value = number->get();
        } else if (const auto* string = node.as_string()) {
          value = string->get();
        } else if (find_setting(key) == nullptr) {
          return unknown_key(key, place(node));
        } else {
          return Error{ErrorCode::kInvalidArgument,
                       place(node) + ": " + key + ": a single value belongs here"};
        }
        WEFT_TRY_VOID(apply(key, value, place(node)));
      }
    }
  } catch (const toml::parse_error& error) {
    return Error{ErrorCode::kInvalidArgument, file.string() + ":" +
                                                  std::to_string(error.source().begin.line) + ": " +
                                                  std::string(error.description())};
  }
  return {};
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
