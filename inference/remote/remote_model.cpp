#include "inference/remote/remote_model.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "inference/remote/answer_builder.h"
#include "inference/remote/api_error.h"
#include "inference/remote/embedding_codec.h"
#include "inference/remote/model_list.h"
#include "inference/remote/request_codec.h"

namespace weft::inference {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kStream = "text/event-stream";
constexpr std::string_view kJson = "application/json";

Error cancelled() { return {ErrorCode::kCancelled, "the request was cancelled"}; }

/// The body of a 2xx answer, fed to `builder` as its content type says.
class Reader {
 public:
  Reader(AnswerBuilder& builder, const SseLimits& limits) : builder_(builder), parser_(limits) {}

  Result<void> begin(const net::HttpHead& head) {
    if (!head.ok()) return {};
    const std::string type(head.header("Content-Type").value_or(""));
    is_stream_ = type.starts_with(kStream);
    if (is_stream_ || type.starts_with(kJson)) return {};
    return Error{ErrorCode::kUnsupported,
                 "the server answered with " + (type.empty() ? "no content type" : type) +
                     ", not with an answer of the OpenAI protocol: see url of this remote model"};
  }

  Result<void> read(std::span<const std::byte> data) {
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    if (!is_stream_) {
      whole_ += bytes;
      return {};
    }
    return parser_.feed(bytes,
                        [&](const SseEvent& event) { return builder_.add_chunk(event.data); });
  }

  /// The body has ended well.
  Result<void> end() {
    if (!is_stream_) return builder_.add_whole(whole_);
    if (builder_.is_complete()) return {};
    return Error{ErrorCode::kNetwork, "the stream ended before the answer did"};
  }

 private:
  AnswerBuilder& builder_;
  SseParser parser_;
  bool is_stream_ = false;
  std::string whole_;
};

}  // namespace

bool pause_for(milliseconds duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

/// Never with the key in it: servers repeat what they refuse.
Error RemoteModel::told(Error error) const {
  const std::string& key = options_.api_key;
  if (key.empty()) return error;
  for (std::size_t at = error.message.find(key); at != std::string::npos;
       at = error.message.find(key, at)) {
    error.message.replace(at, key.size(), "[key]");
  }
  return error;
}

net::HttpRequest RemoteModel::request_for(std::string_view path, const std::string& body,
                                          milliseconds left, const std::stop_token& stop) const {
  net::HttpRequest request;
  request.method = "POST";
  request.url = options_.url;
  while (request.url.ends_with('/')) request.url.pop_back();
  request.url += path;
  request.headers = {{"Content-Type", std::string(kJson)},
                     {"Accept", std::string(kStream) + ", " + std::string(kJson)}};
  if (!options_.api_key.empty()) {
    request.headers.push_back({"Authorization", "Bearer " + options_.api_key});
  }
  request.body = body;
  request.connect_timeout = std::min(options_.connect_timeout, left);
  request.idle_timeout = std::min(options_.idle_timeout, left);
  request.total_timeout = left;
  request.body_bytes_max = options_.body_bytes_max;
  request.stop = stop;
  return request;
}

RemoteModel::Failure RemoteModel::refused(const net::HttpResponse& response) const {
  const ApiError said = read_api_error(response.status, response.body);
  const bool can_pass = may_pass(response) && !is_context_overflow(said) &&
                        said.code != "insufficient_quota" && said.type != "insufficient_quota";
  return {to_error(said), can_pass, retry_after(response, clock_.unix_now())};
}

Result<void> RemoteModel::persist(const Try& attempt, const std::stop_token& stop) const {
  const SteadyTime deadline = saturating_add(clock_.steady_now(), options_.total_timeout);
  const auto left = [&] {
    return std::chrono::duration_cast<milliseconds>(deadline - clock_.steady_now());
  };
  for (int retry = 0;; ++retry) {
    // Zero would be no limit.
    const std::optional<Failure> failure = attempt(std::max(left(), milliseconds(1)));
    if (!failure) return {};
    const Error error = told(failure->error);
    if (!failure->may_pass) return error;
    const auto delay = [&] {
      const std::lock_guard lock(mutex_);
      return retry_delay(options_.retry, retry, failure->asked, random_);
    }();
    if (!delay && failure->asked && retry < options_.retry.retries_max) {
      return error.with_context("not tried again, as the server asks to wait for " +
                                std::to_string(failure->asked->count() / 1000) + " s");
    }
    if (!delay || *delay >= left()) {
      return retry == 0 ? error
                        : error.with_context("tried " + std::to_string(retry + 1) + " times");
    }
    if (!options_.pause(*delay, stop)) return cancelled();
  }
}

Result<RemoteAnswer> RemoteModel::answer(std::string_view path, const std::string& body,
                                         const RemoteEvents& events,
                                         const std::stop_token& stop) const {
  std::optional<AnswerBuilder> builder;
  Timing timing;
  const auto attempt = [&](milliseconds left) -> std::optional<Failure> {
    builder.emplace(events);
    Reader reader(*builder, options_.stream);
    net::HttpRequest request = request_for(path, body, left, stop);
    const SteadyTime start = clock_.steady_now();
    std::optional<SteadyTime> begun;
    request.on_head = [&](const net::HttpResponse& head) { return reader.begin(head); };
    request.on_data = [&](std::span<const std::byte> data) {
      Result<void> read = reader.read(data);
      if (!begun && builder->has_begun()) begun = clock_.steady_now();
      return read;
    };
    const auto response = http_.send(request);
    std::optional<Failure> failure;
    if (!response) {
      // A server that keeps the connection open after the answer's end has answered all the same.
      if (!builder->is_done()) {
        failure = Failure{response.error(), response.error().code == ErrorCode::kNetwork, {}};
      }
    } else if (!response->ok()) {
      failure = refused(*response);
    } else if (const auto ended = reader.end(); !ended) {
      failure = Failure{ended.error(), ended.error().code == ErrorCode::kNetwork, {}};
    }
    const SteadyTime end = clock_.steady_now();
    timing = {.prefill = begun.value_or(end) - start, .decode = end - begun.value_or(end)};
    if (failure && builder->has_delivered()) {
      failure->may_pass = false;
      failure->error = std::move(failure->error).with_context("the answer was cut short");
    }
    return failure;
  };
  const Result<void> done = persist(attempt, stop);
  const bool ends_early = !done && (builder->is_cancelled() || stop.stop_requested());
  if (!done && !ends_early) return done.error();
  RemoteAnswer made = builder->take(ends_early);
  made.timing = timing;
  return made;
}

Result<RemoteAnswer> RemoteModel::chat(const ChatRequest& request, const RemoteEvents& events,
                                       const std::stop_token& stop) const {
  WEFT_TRY(body, chat_body(request, options_.model));
  return answer("/chat/completions", body, events, stop);
}

Result<RemoteAnswer> RemoteModel::complete(const CompletionRequest& request,
                                           const RemoteEvents& events,
                                           const std::stop_token& stop) const {
  WEFT_TRY(body, completion_body(request, options_.model));
  return answer("/completions", body, events, stop);
}

Result<RemoteEmbeddings> RemoteModel::embed(std::span<const std::string> texts,
                                            const std::stop_token& stop) const {
  RemoteEmbeddings made;
  if (texts.empty()) return made;
  const std::string body = embedding_body(texts, options_.model);
  const auto attempt = [&](milliseconds left) -> std::optional<Failure> {
    const auto response = http_.send(request_for("/embeddings", body, left, stop));
    if (!response) {
      return Failure{response.error(), response.error().code == ErrorCode::kNetwork, {}};
    }
    if (!response->ok()) return refused(*response);
    auto read = read_embeddings(response->body, texts.size());
    if (!read) return Failure{read.error(), false, {}};
    made = *std::move(read);
    return std::nullopt;
  };
  WEFT_TRY_VOID(persist(attempt, stop));
  return made;
}

Result<std::vector<std::string>> RemoteModel::models(const std::stop_token& stop) const {
  constexpr milliseconds kLeft{10'000};
  net::HttpRequest request = request_for("/models", "", kLeft, stop);
  request.method = "GET";
  const auto response = http_.send(request);
  if (!response) return told(response.error());
  if (!response->ok()) return told(refused(*response).error);
  return read_models(response->body);
}

}  // namespace weft::inference
