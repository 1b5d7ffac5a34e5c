#include "base/net/curl_http_client.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <mutex>
#include <utility>
#include <vector>

#include "base/net/curl_exchange.h"
#include "base/net/curl_library.h"
#include "base/net/url.h"

namespace weft::net {
namespace {

constexpr std::chrono::milliseconds kPollMax{1000};

struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl().easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const noexcept { curl().multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl().slist_free_all(list); }
};

/// A transfer's handles; the multi handle keeps connections for the next transfer.
struct Handles {
  std::unique_ptr<CURLM, FreeMulti> multi;
  std::unique_ptr<CURL, FreeEasy> easy;
};

/// TLS writes to a closed socket raise SIGPIPE, which would end a program that doesn't expect it.
class BlockSigpipe {
 public:
  BlockSigpipe() {
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::sigemptyset(&only_);
    ::sigaddset(&only_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &only_, &before_);
  }
  ~BlockSigpipe() {
    constexpr timespec kNow{};
    if (!was_pending_) ::sigtimedwait(&only_, nullptr, &kNow);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  BlockSigpipe(const BlockSigpipe&) = delete;
  BlockSigpipe& operator=(const BlockSigpipe&) = delete;

 private:
  bool was_pending_ = false;
  sigset_t only_{};
  sigset_t before_{};
};

bool is_token(std::string_view text) {  // RFC 9110, 5.6.2
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Result<void> check_request(const HttpRequest& request) {
  if (!is_token(request.method)) {
    return Error{ErrorCode::kInvalidArgument, "\"" + request.method + "\" is no HTTP method"};
  }
  for (const HttpHeader& header : request.headers) {
    if (!is_token(header.name) ||
        header.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return Error{ErrorCode::kInvalidArgument,
                   "header \"" + header.name + "\" has characters that HTTP forbids"};
    }
  }
  return {};
}

ErrorCode code_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::kDeadlineExceeded;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return ErrorCode::kInvalidArgument;
    case CURLE_OUT_OF_MEMORY:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kNetwork;
  }
}

Error curl_error(CURLcode code, const char* detail) {
  std::string text = *detail != '\0' ? detail : curl().easy_strerror(code);
  if (code == CURLE_COULDNT_RESOLVE_HOST) text += " (is this machine online?)";
  return Error{code_of(code), text};
}

bool is_harmless(const HttpHeader& header) {
  HttpHead head;
  head.headers.push_back(header);
  for (const char* name : {"Accept", "Accept-Language", "If-Range", "If-None-Match"}) {
    if (head.header(name)) return true;
  }
  return false;
}

}  // namespace

class CurlHttpClient::Impl {
 public:
  Impl(const Clock& clock, Options options) : clock_(clock), options_(std::move(options)) {}
  ~Impl() {
    idle_.clear();
    curl().global_cleanup();
  }

  Result<HttpResponse> send(const HttpRequest& request);

 private:
  Result<Handles> take_handles();
  void give_back(Handles handles);
  Result<HttpResponse> hop(Handles& handles, const HttpRequest& request, const Url& url,
                           std::optional<SteadyTime> deadline);
  void set_options(CURL* easy, Exchange& exchange, curl_slist* headers, char* error_text) const;
  Result<void> transfer(Handles& handles, Exchange& exchange, std::optional<SteadyTime> deadline,
                        const char* error_text) const;
  Result<Url> follow(const HttpResponse& response, const Url& from, HttpRequest& request) const;

  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::vector<Handles> idle_;
};

Result<Handles> CurlHttpClient::Impl::take_handles() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Handles handles = std::move(idle_.back());
      idle_.pop_back();
      return handles;
    }
  }
  Handles handles{.multi = std::unique_ptr<CURLM, FreeMulti>(curl().multi_init()),
                  .easy = std::unique_ptr<CURL, FreeEasy>(curl().easy_init())};
  if (!handles.multi || !handles.easy) {
    return Error{ErrorCode::kInternal, "libcurl can't make a handle"};
  }
  return handles;
}

void CurlHttpClient::Impl::give_back(Handles handles) {
  curl().easy_reset(handles.easy.get());  // keeps connections
  const std::lock_guard lock(mutex_);
  if (idle_.size() < options_.idle_handles_max) idle_.push_back(std::move(handles));
}

void CurlHttpClient::Impl::set_options(CURL* easy, Exchange& exchange, curl_slist* headers,
                                       char* error_text) const {
  const HttpRequest& request = exchange.request;
  curl().easy_setopt(easy, CURLOPT_URL, exchange.url.text.c_str());
  curl().easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl().easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl().easy_setopt(easy, CURLOPT_PROXY, "");
  curl().easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl().easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl().easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a cancelled name look-up isn't waited for
  curl().easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_timeout.count()));
  curl().easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  if (!options_.ca_file.empty()) curl().easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  curl().easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl().easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
  curl().easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl().easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &exchange);
  curl().easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl().easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl().easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl().easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  if (request.method == "HEAD") {
    curl().easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET" || !request.body.empty()) {
    curl().easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl().easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
    curl().easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

Result<void> CurlHttpClient::Impl::transfer(Handles& handles, Exchange& exchange,
                                            std::optional<SteadyTime> deadline,
                                            const char* error_text) const {
  CURLM* const multi = handles.multi.get();
  const std::stop_callback wake(exchange.request.stop, [multi] { curl().multi_wakeup(multi); });
  SteadyTime last_byte = clock_.steady_now();
  std::uint64_t bytes_before = 0;
  int running = 1;
  while (running > 0) {
    if (exchange.request.stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "the request was cancelled"};
    }
    if (const CURLMcode code = curl().multi_perform(multi, &running); code != CURLM_OK) {
      return Error{ErrorCode::kInternal, curl().multi_strerror(code)};
    }
    if (running == 0) break;
    curl_off_t sent = 0;
    curl().easy_getinfo(handles.easy.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
    const std::uint64_t bytes =
        static_cast<std::uint64_t>(sent) + exchange.header_bytes + exchange.response.body_bytes;
    const SteadyTime now = clock_.steady_now();
    if (bytes != std::exchange(bytes_before, bytes)) last_byte = now;
    const SteadyTime idle_end = last_byte + exchange.request.idle_timeout;
    if (now >= idle_end) {
      return Error{
          ErrorCode::kDeadlineExceeded,
          "no byte came for " + std::to_string(exchange.request.idle_timeout.count()) + " ms"};
    }
    if (deadline && now >= *deadline) {
      return Error{
          ErrorCode::kDeadlineExceeded,
          "it took longer than " + std::to_string(exchange.request.total_timeout.count()) + " ms"};
    }
    const SteadyTime end = deadline ? std::min(*deadline, idle_end) : idle_end;
    const auto wait = std::min(std::chrono::ceil<std::chrono::milliseconds>(end - now), kPollMax);
    curl().multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
  }
  int left = 0;
  const CURLMsg* message = curl().multi_info_read(multi, &left);
  const CURLcode code = message != nullptr ? message->data.result : CURLE_FAILED_INIT;
  if (code == CURLE_OK && !exchange.head_seen) {
    return Error{ErrorCode::kNetwork, "the answer ended within its headers"};
  }
  if (code == CURLE_OK || (exchange.enough && code == CURLE_WRITE_ERROR)) return {};
  if (exchange.failure) return *exchange.failure;
  return curl_error(code, error_text);
}

Result<HttpResponse> CurlHttpClient::Impl::hop(Handles& handles, const HttpRequest& request,
                                               const Url& url, std::optional<SteadyTime> deadline) {
  // The socket callback checks every address; a literal one needn't get that far, and one that a
  // resolver would ask DNS about ("127.0.0.1.") shouldn't.
  if (const auto literal = parse_address(url.host)) {
    WEFT_TRY_VOID(options_.policy.check(*literal, url.port, url.host));
  }
  Exchange exchange{.request = request, .policy = options_.policy, .url = url};
  exchange.response.url = url.text;
  std::unique_ptr<curl_slist, FreeList> headers(curl().slist_append(nullptr, "Expect:"));
  const auto add = [&headers](const std::string& line) {
    if (curl_slist* longer = curl().slist_append(headers.get(), line.c_str())) {
      (void)headers.release();
      headers.reset(longer);
    }
  };
  for (const HttpHeader& header : request.headers) {
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  if (request.resume_from > 0) add("Range: bytes=" + std::to_string(request.resume_from) + "-");
  std::array<char, CURL_ERROR_SIZE> error_text{};
  set_options(handles.easy.get(), exchange, headers.get(), error_text.data());
  curl().multi_add_handle(handles.multi.get(), handles.easy.get());
  const Result<void> done = transfer(handles, exchange, deadline, error_text.data());
  curl().multi_remove_handle(handles.multi.get(), handles.easy.get());
  curl().easy_reset(handles.easy.get());
  if (!done) return done.error().with_context(request.method + " " + url.origin());
  return std::move(exchange.response);
}

/// Where a redirect leads, if it may be followed; `request` becomes the one to send there.
Result<Url> CurlHttpClient::Impl::follow(const HttpResponse& response, const Url& from,
                                         HttpRequest& request) const {
  const auto location = response.header("Location");
  if (!location) return Error{ErrorCode::kNetwork, from.origin() + " redirects to nowhere"};
  WEFT_TRY(to, parse_url(from.text, std::string(*location)));
  const auto refuse = [&](std::string_view why) {
    return Error{ErrorCode::kPermissionDenied,
                 "refused the redirect to " + to.origin() + ": " + std::string(why)};
  };
  if (from.scheme == "https" && to.scheme != "https") return refuse("it leaves https");
  const bool default_port = to.port == (to.scheme == "https" ? 443 : 80);
  if (to.port != from.port && !default_port && !options_.policy.names_port(to.host, to.port)) {
    return refuse("it changes the port");
  }
  const bool becomes_get = (response.status == 303 && request.method != "HEAD") ||
                           (response.status < 303 && request.method == "POST");
  if (becomes_get) {
    request.method = "GET";
    request.body.clear();
    std::erase_if(request.headers, [](const HttpHeader& header) {
      const HttpHead head{.url = {}, .status = 0, .headers = {header}};
      return head.header("Content-Type") || head.header("Content-Length");
    });
  }
  if (to.origin() != from.origin()) {
    if (!request.body.empty()) return refuse("it would carry the body to another origin");
    std::erase_if(request.headers, [](const HttpHeader& header) { return !is_harmless(header); });
  }
  return to;
}

Result<HttpResponse> CurlHttpClient::Impl::send(const HttpRequest& original) {
  WEFT_TRY_VOID(check_request(original));
  WEFT_TRY(url, parse_url("", original.url));
  const BlockSigpipe no_sigpipe;
  HttpRequest request = original;
  std::optional<SteadyTime> deadline;
  if (request.total_timeout.count() > 0) deadline = clock_.steady_now() + request.total_timeout;
  std::vector<HttpHead> redirects;
  WEFT_TRY(handles, take_handles());
  while (true) {
    // After a failure the handles aren't kept: their connection may be in any state.
    WEFT_TRY(response, hop(handles, request, url, deadline));
    if (!is_redirect(response)) {
      give_back(std::move(handles));
      response.redirects = std::move(redirects);
      return response;
    }
    if (redirects.size() >= static_cast<std::size_t>(std::max(0, options_.redirects_max))) {
      return Error{ErrorCode::kResourceExhausted, "GET " + url.origin() + ": more than " +
                                                      std::to_string(options_.redirects_max) +
                                                      " redirects"};
    }
    WEFT_TRY(next, follow(response, url, request));
    redirects.push_back(static_cast<HttpHead>(std::move(response)));
    url = std::move(next);
  }
}

CurlHttpClient::CurlHttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CurlHttpClient::~CurlHttpClient() = default;

Result<std::unique_ptr<CurlHttpClient>> CurlHttpClient::open(const Clock& clock, Options options) {
  WEFT_TRY_VOID(load_curl());
  // Counted, and safe on several threads since libcurl 7.84.
  if (const CURLcode code = curl().global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
    return Error{ErrorCode::kInternal,
                 std::string("libcurl can't start: ") + curl().easy_strerror(code)};
  }
  return std::unique_ptr<CurlHttpClient>(
      new CurlHttpClient(std::make_unique<Impl>(clock, std::move(options))));
}

Result<HttpResponse> CurlHttpClient::send(const HttpRequest& request) {
  return impl_->send(request);
}

}  // namespace weft::net
