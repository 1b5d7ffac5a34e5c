#pragma once
// An HttpClient whose answers the test wrote beforehand, by URL. No socket.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/net/http_client.h"

namespace weft::test {

class FakeHttpClient final : public net::HttpClient {
 public:
  struct Answer {
    int status = 200;
    std::string body;
    std::vector<net::HttpHeader> headers;
    std::vector<net::HttpHead> redirects;
    /// Cuts the body here with kNetwork.
    std::size_t cut_at = std::string::npos;
    /// Honours resume_from with a 206.
    bool ranges = true;
  };

  /// Answers `url` from now on.
  void on(const std::string& url, Answer answer) { answers_[url] = std::move(answer); }
  const std::vector<net::HttpRequest>& requests() const { return requests_; }

  Result<net::HttpResponse> send(const net::HttpRequest& request) override {
    requests_.push_back(request);
    const auto found = answers_.find(request.url);
    if (found == answers_.end()) {
      return Error{ErrorCode::kNetwork, "no answer written for " + request.url};
    }
    const Answer& answer = found->second;
    net::HttpResponse response;
    response.url = request.url;
    response.status = answer.status;
    response.headers = answer.headers;
    response.redirects = answer.redirects;
    std::string_view body = answer.body;
    if (request.resume_from > 0 && answer.ranges && answer.status == 200) {
      constexpr int kPartialContent = 206;
      constexpr int kRangeNotSatisfiable = 416;
      if (request.resume_from >= body.size()) {
        response.status = kRangeNotSatisfiable;
        body = {};
      } else {
        response.status = kPartialContent;
        body.remove_prefix(request.resume_from);
      }
    }
    if (request.on_head) WEFT_TRY_VOID(request.on_head(response));
    const bool streamed = response.ok() && request.on_data;
    constexpr std::size_t kPiece = 1000;
    const std::size_t end = std::min(body.size(), answer.cut_at);
    for (std::size_t at = 0; at < end; at += kPiece) {
      if (request.stop.stop_requested()) return Error{ErrorCode::kCancelled, "cancelled"};
      const std::string_view piece = body.substr(at, std::min(kPiece, end - at));
      response.body_bytes += piece.size();
      if (streamed) {
        WEFT_TRY_VOID(request.on_data(std::as_bytes(std::span(piece))));
      } else {
        response.body.append(piece);
      }
    }
    if (end < body.size()) return Error{ErrorCode::kNetwork, "the connection was cut"};
    return response;
  }

 private:
  std::map<std::string, Answer> answers_;
  std::vector<net::HttpRequest> requests_;
};

}  // namespace weft::test
