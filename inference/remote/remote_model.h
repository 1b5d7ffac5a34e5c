#pragma once
// A model behind an OpenAI-compatible server: llama-server, vLLM, Ollama or a cloud. It answers
// chats, continues texts and embeds them; what it can't do, capabilities() says.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "base/random.h"
#include "base/result.h"
#include "inference/remote/capabilities.h"
#include "inference/remote/chat_types.h"
#include "inference/remote/retry.h"
#include "inference/remote/sse_parser.h"

namespace weft::inference {

/// Waits; false if the stop came first.
using Pause = std::function<bool(std::chrono::milliseconds, std::stop_token)>;
/// On real time.
bool pause_for(std::chrono::milliseconds duration, std::stop_token stop);

struct RemoteOptions {
  std::string url;      // of the API, as in "http://127.0.0.1:8080/v1"
  std::string model;    // the server's name for it; empty: the server has but one
  std::string api_key;  // empty: none is sent. It stands in no error message
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{300'000};   // without a byte: a long prompt takes long
  std::chrono::milliseconds total_timeout{600'000};  // of a call, its retries included
  std::uint64_t body_bytes_max = std::uint64_t{64} << 20;
  RetryOptions retry;
  SseLimits stream;
  Pause pause = pause_for;  // between retries
};

/// Thread-safe: calls run side by side, over connections that the client keeps.
class RemoteModel {
 public:
  /// Borrows both. `random` shakes the waits between retries.
  RemoteModel(net::HttpClient& http, const Clock& clock, RemoteOptions options, Random random)
      : http_(http), clock_(clock), options_(std::move(options)), random_(random) {}

  const Capabilities& capabilities() const noexcept { return capabilities_; }
  const RemoteOptions& options() const noexcept { return options_; }

  /// Sends the request again, as RemoteOptions::retry says, after a refused or cut connection and
  /// after a status that may pass, unless something was told to `events` already. Stopping it isn't
  /// an error: what came until then is returned as cancelled. Errors: those of api_error.h for what
  /// the server says; kNetwork (no connection, an answer cut short); kUnsupported (another kind of
  /// content); kCorrupt (what is no JSON, lines too long); kDeadlineExceeded; kPermissionDenied
  /// (offline, an address that the policy refuses); kResourceExhausted (body_bytes_max);
  /// kInvalidArgument.
  Result<RemoteAnswer> chat(const ChatRequest& request, const RemoteEvents& events = {},
                            const std::stop_token& stop = {}) const;
  Result<RemoteAnswer> complete(const CompletionRequest& request, const RemoteEvents& events = {},
                                const std::stop_token& stop = {}) const;
  /// Errors: also kCancelled; kCorrupt for vectors that aren't as many as the texts, or differ in
  /// length.
  Result<RemoteEmbeddings> embed(std::span<const std::string> texts,
                                 const std::stop_token& stop = {}) const;
  /// What the server calls its models: whether it is there, and lets us in. Tried once. Errors:
  /// likewise.
  Result<std::vector<std::string>> models(const std::stop_token& stop = {}) const;

 private:
  struct Failure {
    Error error;
    bool may_pass = false;
    std::optional<std::chrono::milliseconds> asked;  // to wait
  };
  /// Nothing if it worked.
  using Try = std::function<std::optional<Failure>(std::chrono::milliseconds left)>;

  Result<RemoteAnswer> answer(std::string_view path, const std::string& body,
                              const RemoteEvents& events, const std::stop_token& stop) const;
  Result<void> persist(const Try& attempt, const std::stop_token& stop) const;
  net::HttpRequest request_for(std::string_view path, const std::string& body,
                               std::chrono::milliseconds left, const std::stop_token& stop) const;
  Failure refused(const net::HttpResponse& response) const;
  Error told(Error error) const;

  net::HttpClient& http_;
  const Clock& clock_;
  const RemoteOptions options_;
  const Capabilities capabilities_ = remote_capabilities();
  mutable std::mutex mutex_;  // of random_
  mutable Random random_;
};

}  // namespace weft::inference
