#include "cli/remote.h"

#include <array>
#include <random>
#include <utility>
#include <vector>

#include "base/nearest.h"
#include "base/net/curl_http_client.h"
#include "base/net/url.h"

namespace weft::cli {
namespace {

using inference::Capability;

constexpr std::string_view kPrefix = "remote:";
constexpr std::string_view kFlagOrigin = "flag ";

/// Settings that mean the engine in this process. In the file they are for other models too; as
/// flags they are meant for this run.
constexpr std::array<std::pair<std::string_view, Capability>, 6> kEngineSettings = {{
    {"engine.threads", Capability::kEngineOptions},
    {"engine.kv", Capability::kEngineOptions},
    {"engine.prefix_cache_mb", Capability::kEngineOptions},
    {"engine.draft", Capability::kEngineOptions},
    {"engine.context", Capability::kEngineOptions},
    {"answer.think_tokens", Capability::kThinkCap},
}};

Result<void> check_flags(const Context& context) {
  for (const auto& [key, capability] : kEngineSettings) {
    const std::string& origin = context.config.entry(key).origin;
    if (!origin.starts_with(kFlagOrigin)) continue;
    return remote_cannot(context, origin.substr(kFlagOrigin.size()), capability);
  }
  return {};
}

Result<std::string> api_key(const Context& context, const std::string& section) {
  const std::string& variable = context.config.string(section + "api_key_env");
  if (variable.empty()) return std::string();
  const auto found = context.environment.find(variable);
  if (found != context.environment.end() && !found->second.empty()) return found->second;
  return Error{ErrorCode::kInvalidArgument, section + "api_key_env: the environment variable " +
                                                variable + ", which is to hold the key, isn't set"};
}

Result<std::unique_ptr<net::HttpClient>> open_client(const Context& context, const Clock& clock,
                                                     const std::string& url_text) {
  if (context.config.boolean("network.offline")) {
    return std::unique_ptr<net::HttpClient>(std::make_unique<net::OfflineHttpClient>());
  }
  WEFT_TRY(url, net::parse_url("", url_text));
  const bool is_v6 = url.host.find(':') != std::string::npos;
  const std::vector<std::string> allowed = {(is_v6 ? "[" + url.host + "]" : url.host) + ":" +
                                            std::to_string(url.port)};
  WEFT_TRY(policy, net::AddressPolicy::open(allowed));
  WEFT_TRY(client, net::CurlHttpClient::open(clock, {.policy = std::move(policy)}));
  return std::unique_ptr<net::HttpClient>(std::move(client));
}

inference::RemoteOptions options_of(const Config& config, const std::string& section) {
  const auto seconds = [&](const char* key) {
    return std::chrono::milliseconds(config.integer(section + key) * 1000);
  };
  inference::RemoteOptions options{.url = config.string(section + "url"),
                                   .model = config.string(section + "model"),
                                   .connect_timeout = seconds("connect_timeout_s"),
                                   .idle_timeout = seconds("idle_timeout_s"),
                                   .total_timeout = seconds("total_timeout_s")};
  options.retry.retries_max = static_cast<int>(config.integer(section + "retries"));
  return options;
}

}  // namespace

std::optional<std::string> remote_name(const Config& config) {
  const std::string& name = config.string("model.name");
  if (!name.starts_with(kPrefix)) return std::nullopt;
  return name.substr(kPrefix.size());
}

Error remote_cannot(const Context& context, const std::string& flag, Capability capability) {
  return {ErrorCode::kUnsupported, flag + ": " + context.config.string("model.name") +
                                       " is a remote model, which can't be asked for " +
                                       std::string(to_string(capability))};
}

Result<Remote> open_remote(const Context& context) {
  const Config& config = context.config;
  const std::string name = remote_name(config).value_or("");
  const auto& known = config.remotes();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    return Error{ErrorCode::kNotFound,
                 "no remote model \"" + name + "\"" + did_you_mean(name, known) + " (add [remote." +
                     name + "] with its url to " + context.config_file.string() + ")"};
  }
  WEFT_TRY_VOID(check_flags(context));
  const std::string section = "remote." + name + ".";
  inference::RemoteOptions options = options_of(config, section);
  if (options.url.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 section + "url isn't set: where is the server, as in http://127.0.0.1:8080/v1?"};
  }
  WEFT_TRY(key, api_key(context, section));
  options.api_key = std::move(key);
  Remote remote{.name = config.string("model.name"),
                .price = {.prompt_micros = config.number(section + "prompt_price"),
                          .output_micros = config.number(section + "output_price")},
                .parallel = static_cast<std::size_t>(config.integer(section + "parallel")),
                .clock = std::make_unique<SystemClock>(),
                .http = {},
                .model = {}};
  auto client = open_client(context, *remote.clock, options.url);
  if (!client) return std::move(client).error().with_context(section + "url");
  remote.http = *std::move(client);
  // Clients that start together shouldn't wait in step.
  remote.model = std::make_unique<inference::RemoteModel>(
      *remote.http, *remote.clock, std::move(options), Random(std::random_device{}()));
  return remote;
}

}  // namespace weft::cli
