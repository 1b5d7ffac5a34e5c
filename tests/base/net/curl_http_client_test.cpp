#include "base/net/curl_http_client.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/loopback_server.h"

namespace weft::net {
namespace {

using test::LoopbackServer;
using namespace std::chrono_literals;

const SystemClock kClock;

std::unique_ptr<CurlHttpClient> client_for(std::vector<std::string> allowed) {
  auto policy = AddressPolicy::open(allowed);
  REQUIRE(policy);
  auto client = CurlHttpClient::open(kClock, {.policy = *std::move(policy)});
  REQUIRE(client);
  return *std::move(client);
}

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string redirect_to(const std::string& url, int status = 302) {
  return "HTTP/1.1 " + std::to_string(status) + " Found\r\nX-Hop: yes\r\nLocation: " + url +
         "\r\nContent-Length: 4\r\n\r\nmove";
}

TEST_CASE("a request and its answer arrive as they were sent") {
  std::string seen;
  LoopbackServer server(LoopbackServer::answering([&](const std::string& request) {
    seen = request;
    return "HTTP/1.1 201 Created\r\nX-Answer:  42 \r\nContent-Length: 5\r\n\r\nhello";
  }));
  const auto client = client_for({server.allow_entry()});
  HttpRequest request = get(server.url("/path?q=1"));
  request.method = "POST";
  request.body = std::string("a\0b", 3);
  request.headers = {{"X-Key", "secret"}};
  const auto response = client->send(request);
  REQUIRE(response);
  CHECK(response->status == 201);
  CHECK(response->body == "hello");
  CHECK(response->body_bytes == 5);
  CHECK(response->header("x-answer") == "42");
  CHECK_FALSE(response->header("X-Other"));
  CHECK(contains(seen, "POST /path?q=1 HTTP/1.1\r\n"));
  CHECK(contains(seen, "X-Key: secret\r\n"));
  CHECK(contains(seen, "User-Agent: weft\r\n"));
  CHECK(contains(seen, std::string("\r\n\r\na\0b", 7)));
  CHECK_FALSE(contains(seen, "Accept-Encoding"));
  CHECK_FALSE(contains(seen, "Expect"));
}

TEST_CASE("connections are kept, and used again after any status") {
  LoopbackServer server(LoopbackServer::answering([](const std::string& request) {
    return contains(request, "/missing") ? "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
                                         : LoopbackServer::ok("yes");
  }));
  const auto client = client_for({server.allow_entry()});
  const auto missing = client->send(get(server.url("/missing")));
  REQUIRE(missing);
  CHECK(missing->status == 404);
  CHECK(missing->body == "gone");
  for (int i = 0; i < 5; ++i) CHECK(client->send(get(server.url()))->body == "yes");
  CHECK(server.accepted() == 1);
}

TEST_CASE("a 2xx body is streamed, an error's body is kept") {
  LoopbackServer server(LoopbackServer::answering([](const std::string& request) {
    return contains(request, "/bad") ? "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nwhy"
                                     : LoopbackServer::ok(std::string(100'000, 'x'));
  }));
  const auto client = client_for({server.allow_entry()});
  std::size_t streamed = 0;
  int heads = 0;
  HttpRequest request = get(server.url());
  request.on_head = [&](const HttpResponse& head) -> Result<void> {
    if (head.ok()) CHECK(streamed == 0);
    heads += head.status;
    return {};
  };
  request.on_data = [&](std::span<const std::byte> data) -> Result<void> {
    streamed += data.size();
    return {};
  };
  const auto good = client->send(request);
  REQUIRE(good);
  CHECK(heads == 200);
  CHECK(streamed == 100'000);
  CHECK(good->body.empty());
  CHECK(good->body_bytes == 100'000);
  request.url = server.url("/bad");
  CHECK(client->send(request)->body == "why");
  CHECK(streamed == 100'000);
}

TEST_CASE("a callback's error and its exception end the request") {
  LoopbackServer server(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok("body"); }));
  const auto client = client_for({server.allow_entry()});
  HttpRequest request = get(server.url());
  request.on_data = [](std::span<const std::byte>) -> Result<void> {
    return Error{ErrorCode::kIo, "disk full"};
  };
  const auto failed = client->send(request);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kIo);
  CHECK(contains(failed.error().message, "disk full"));
  request.on_data = {};
  request.on_head = [](const HttpResponse&) -> Result<void> { throw std::runtime_error("oops"); };
  CHECK(client->send(request).error().code == ErrorCode::kInternal);
}

TEST_CASE("a cut body is an error of the network") {
  LoopbackServer server([](LoopbackServer::Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  });
  const auto client = client_for({server.allow_entry()});
  const auto response = client->send(get(server.url()));
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kNetwork);
}

TEST_CASE("an answer cut anywhere in its head is an error, never a hang") {
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  std::atomic<std::size_t> cut = 0;  // the server's threads read it
  LoopbackServer server([&](LoopbackServer::Connection& connection) {
    connection.read_request();
    connection.write(whole.substr(0, cut));
  });
  for (; cut < whole.size(); ++cut) {
    const auto client = client_for({server.allow_entry()});
    INFO("cut at " << cut.load());
    const auto response = client->send(get(server.url()));
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::kNetwork);
  }
}

TEST_CASE("silence and a slow drip run into their timeouts") {
  LoopbackServer server([](LoopbackServer::Connection& connection) {
    const std::string request = connection.read_request();
    if (contains(request, "/silent")) return connection.hang();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (connection.write("x")) std::this_thread::sleep_for(5ms);
  });
  const auto client = client_for({server.allow_entry()});
  HttpRequest silent = get(server.url("/silent"));
  silent.idle_timeout = 60ms;
  const auto idle = client->send(silent);
  REQUIRE_FALSE(idle);
  CHECK(idle.error().code == ErrorCode::kDeadlineExceeded);
  CHECK(contains(idle.error().message, "no byte came for 60 ms"));
  HttpRequest slow = get(server.url("/slow"));
  slow.total_timeout = 80ms;
  const auto late = client->send(slow);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kDeadlineExceeded);
  CHECK(contains(late.error().message, "longer than 80 ms"));
}

TEST_CASE("a request can be cancelled while it waits and before it starts") {
  LoopbackServer server([](LoopbackServer::Connection& connection) {
    connection.read_request();
    connection.hang();
  });
  const auto client = client_for({server.allow_entry()});
  std::stop_source stop;
  HttpRequest request = get(server.url());
  request.stop = stop.get_token();
  const auto start = std::chrono::steady_clock::now();
  std::thread canceller([&] {
    while (server.accepted() == 0) std::this_thread::sleep_for(1ms);
    stop.request_stop();
  });
  const auto response = client->send(request);
  canceller.join();
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kCancelled);
  CHECK(std::chrono::steady_clock::now() - start < 5s);  // far below the idle timeout
  CHECK(client->send(request).error().code == ErrorCode::kCancelled);
  CHECK(server.accepted() == 1);
}

TEST_CASE("a body larger than allowed is refused, announced or not") {
  LoopbackServer server([](LoopbackServer::Connection& connection) {
    const std::string request = connection.read_request();
    connection.write(contains(request, "/told") ? "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
                                                : "HTTP/1.1 200 OK\r\n\r\n");
    connection.write("12345678901");
  });
  for (const char* path : {"/told", "/untold"}) {
    const auto client = client_for({server.allow_entry()});
    HttpRequest request = get(server.url(path));
    request.body_bytes_max = 10;
    CHECK(client->send(request).error().code == ErrorCode::kResourceExhausted);
    request.body_bytes_max = 11;
    CHECK(client->send(request)->body == "12345678901");
  }
}

TEST_CASE("endless headers are refused") {
  LoopbackServer server([](LoopbackServer::Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    while (connection.write("X-More: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  const auto client = client_for({server.allow_entry()});
  CHECK_FALSE(client->send(get(server.url())));
}

TEST_CASE("a body that comes compressed unasked is refused") {
  LoopbackServer server(LoopbackServer::answering([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b";
  }));
  const auto client = client_for({server.allow_entry()});
  CHECK(client->send(get(server.url())).error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a download resumes with a range, and hears whether the server obeyed") {
  LoopbackServer server(LoopbackServer::answering([](const std::string& request) {
    if (contains(request, "/ignores")) return LoopbackServer::ok("0123456789");
    const char* from = contains(request, "/lies") ? "0" : "6";
    CHECK(contains(request, "Range: bytes=6-\r\n"));
    return std::string("HTTP/1.1 206 Partial\r\nContent-Range: bytes ") + from +
           "-9/10\r\nContent-Length: 4\r\n\r\n6789";
  }));
  const auto client = client_for({server.allow_entry()});
  HttpRequest request = get(server.url("/obeys"));
  request.resume_from = 6;
  const auto rest = client->send(request);
  REQUIRE(rest);
  CHECK(rest->status == 206);
  CHECK(rest->body == "6789");
  request.url = server.url("/ignores");
  CHECK(client->send(request)->status == 200);
  request.url = server.url("/lies");
  CHECK(client->send(request).error().code == ErrorCode::kNetwork);
}

TEST_CASE("five redirects are followed and reported, the sixth is not") {
  LoopbackServer server(LoopbackServer::answering([](const std::string& request) {
    const int left = request[5] - '0';
    return left == 0 ? LoopbackServer::ok("here") : redirect_to("/" + std::to_string(left - 1));
  }));
  const auto client = client_for({server.allow_entry()});
  const auto response = client->send(get(server.url("/5")));
  REQUIRE(response);
  CHECK(response->body == "here");
  CHECK(response->url == server.url("/0"));
  REQUIRE(response->redirects.size() == 5);
  CHECK(response->redirects[0].url == server.url("/5"));
  CHECK(response->redirects[0].header("X-Hop") == "yes");
  const auto lost = client->send(get(server.url("/6")));
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("credentials stay with their origin") {
  std::string seen;
  LoopbackServer other(LoopbackServer::answering([&](const std::string& request) {
    seen = request;
    return LoopbackServer::ok("there");
  }));
  LoopbackServer server(LoopbackServer::answering([&](const std::string& request) {
    if (contains(request, "/home")) {
      seen = request;
      return LoopbackServer::ok("home");
    }
    return redirect_to(contains(request, "/away") ? other.url() : "/home");
  }));
  const auto client = client_for({server.allow_entry(), other.allow_entry()});
  HttpRequest request = get(server.url("/away"));
  request.headers = {{"Authorization", "Bearer k"}, {"X-Api-Key", "k"}, {"accept", "text/plain"}};
  REQUIRE(client->send(request));
  CHECK_FALSE(contains(seen, "Bearer"));
  CHECK_FALSE(contains(seen, "X-Api-Key"));
  CHECK(contains(seen, "accept: text/plain"));
  request.url = server.url("/stay");
  REQUIRE(client->send(request));
  CHECK(contains(seen, "Authorization: Bearer k"));
}

TEST_CASE("a redirected POST becomes a GET or keeps its body at home") {
  std::string seen;
  LoopbackServer other(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok(""); }));
  LoopbackServer server(LoopbackServer::answering([&](const std::string& request) {
    if (contains(request, " /end ")) {
      seen = request;
      return LoopbackServer::ok("");
    }
    if (contains(request, " /303 ")) return redirect_to("/end", 303);
    if (contains(request, " /307 ")) return redirect_to("/end", 307);
    return redirect_to(other.url(), 308);
  }));
  const auto client = client_for({server.allow_entry(), other.allow_entry()});
  HttpRequest request = get(server.url("/303"));
  request.method = "POST";
  request.body = "prompt";
  REQUIRE(client->send(request));
  CHECK(contains(seen, "GET /end"));
  CHECK_FALSE(contains(seen, "prompt"));
  request.url = server.url("/307");
  REQUIRE(client->send(request));
  CHECK(contains(seen, "POST /end"));
  CHECK(contains(seen, "prompt"));
  request.url = server.url("/away");
  CHECK(client->send(request).error().code == ErrorCode::kPermissionDenied);
  CHECK(other.accepted() == 0);
}

TEST_CASE("a redirect may not reach what the request itself may not") {
  LoopbackServer inner(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok("secret"); }));
  std::string target;
  LoopbackServer server(
      LoopbackServer::answering([&](const std::string&) { return redirect_to(target); }));
  const auto client = client_for({server.allow_entry()});
  const std::string port = std::to_string(inner.port());
  for (const std::string& to : std::vector<std::string>{
           inner.url(), "http://127.1:" + port + "/", "http://[::ffff:127.0.0.1]:" + port + "/",
           "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "https://192.168.0.1/",
           std::string("file:///etc/passwd"), std::string("gopher://127.0.0.1/"),
           "http://user:pass@127.0.0.1:" + std::to_string(server.port()) + "/"}) {
    INFO(to);
    target = to;
    const auto response = client->send(get(server.url()));
    REQUIRE_FALSE(response);
    const ErrorCode code = response.error().code;
    CHECK((code == ErrorCode::kPermissionDenied || code == ErrorCode::kInvalidArgument));
  }
  CHECK(inner.accepted() == 0);
}

TEST_CASE("no form of URL reaches this machine or its network") {
  LoopbackServer server(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok("secret"); }));
  const auto client = client_for({});
  const std::string port = ":" + std::to_string(server.port()) + "/";
  std::vector<std::string> urls;
  for (const char* host : {"127.0.0.1",
                           "127.1",
                           "127.0.1",
                           "2130706433",
                           "0x7f000001",
                           "0x7f.1",
                           "0x7f.0.0.1",
                           "0177.0.0.1",
                           "017700000001",
                           "0177.0.0.01",
                           "0x7F.0x00.0x00.0x01",
                           "0000177.1",
                           "127.0.0.1.",
                           "127.127.127.127",
                           "127.0.0.2",
                           "0.0.0.0",
                           "0",
                           "0.0",
                           "00",
                           "0x0",
                           "localhost",
                           "LOCALHOST",
                           "%6c%6f%63%61%6c%68%6f%73%74",
                           "127%2e0%2e0%2e1",
                           "[::1]",
                           "[0:0:0:0:0:0:0:1]",
                           "[0000::0001]",
                           "[::]",
                           "[::ffff:127.0.0.1]",
                           "[::ffff:7f00:1]",
                           "[0:0:0:0:0:ffff:127.0.0.1]",
                           "[::127.0.0.1]",
                           "[::7f00:1]",
                           "[64:ff9b::127.0.0.1]",
                           "[64:ff9b::7f00:1]",
                           "[64:ff9b:1::1]",
                           "[2002:7f00:1::]",
                           "[2002:a00:1::1]",
                           "[2001::1]",
                           "[fe80::1]",
                           "[fe80::1%25lo]",
                           "[fc00::1]",
                           "[fd12::1]",
                           "[ff02::1]",
                           "[2001:db8::1]",
                           "[100::1]",
                           "[2600::5efe:10.0.0.1]",
                           "10.0.0.1",
                           "10.255.255.255",
                           "167772161",
                           "0xa.1",
                           "012.1",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.0.1",
                           "192.168.1",
                           "3232235521",
                           "0xc0a80001",
                           "169.254.169.254",
                           "2852039166",
                           "0xa9fea9fe",
                           "0251.0376.0251.0376",
                           "169.254.43518",
                           "100.64.0.1",
                           "100.127.255.255",
                           "198.18.0.1",
                           "192.0.2.1",
                           "224.0.0.1",
                           "239.1.2.3",
                           "240.0.0.1",
                           "255.255.255.255",
                           "[::ffff:169.254.169.254]",
                           "[::ffff:a9fe:a9fe]"}) {
    urls.push_back("http://" + std::string(host) + port);
  }
  const std::string here = "127.0.0.1" + port;
  for (const std::string& url : std::vector<std::string>{"https://" + here,
                                                         "ftp://" + here,
                                                         "file:///etc/passwd",
                                                         "gopher://" + here,
                                                         "dict://" + here,
                                                         "ldap://" + here,
                                                         "HTTP://" + here,
                                                         "http://user@" + here,
                                                         "http://user:pass@" + here,
                                                         "http://example.com@" + here,
                                                         "http://example.com:80@" + here,
                                                         "http://example.com\\@" + here,
                                                         "http:///" + here,
                                                         "http:" + here,
                                                         "//" + here,
                                                         here,
                                                         "http://127.0.0.1:0/",
                                                         "http://127.0.0.1:99999/",
                                                         "http://127.0.0.1 /",
                                                         "http:// 127.0.0.1/",
                                                         "http://127.0.0.1\t/",
                                                         "http://127.0.0.1\r\nHost: x/",
                                                         std::string(),
                                                         std::string("http://"),
                                                         "\xef\xbc\x91://" + here,
                                                         "javascript:alert(1)",
                                                         "data:text/plain,x",
                                                         "unix:///run/x.sock"}) {
    urls.push_back(url);
  }
  CHECK(urls.size() >= 100);
  for (const std::string& url : urls) {
    INFO(url);
    const auto response = client->send(get(url));
    REQUIRE_FALSE(response);
    const ErrorCode code = response.error().code;
    INFO(response.error().message);
    CHECK((code == ErrorCode::kPermissionDenied || code == ErrorCode::kInvalidArgument));
  }
  CHECK(server.accepted() == 0);
}

TEST_CASE("a proxy in the environment is ignored") {
  LoopbackServer proxy(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok("proxied"); }));
  LoopbackServer server(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok("direct"); }));
  REQUIRE(::setenv("http_proxy", proxy.url().c_str(), 1) == 0);
  const auto client = client_for({server.allow_entry()});
  const auto response = client->send(get(server.url()));
  ::unsetenv("http_proxy");
  REQUIRE(response);
  CHECK(response->body == "direct");
  CHECK(proxy.accepted() == 0);
}

TEST_CASE("what would smuggle a second request is refused") {
  const auto client = client_for({});
  HttpRequest request = get("http://127.0.0.1/");
  request.headers = {{"X-A", "b\r\nX-C: d"}};
  CHECK(client->send(request).error().code == ErrorCode::kInvalidArgument);
  request.headers = {{"X A", "b"}};
  CHECK(client->send(request).error().code == ErrorCode::kInvalidArgument);
  request.headers = {};
  request.method = "GET / HTTP/1.1\r\nX:";
  CHECK(client->send(request).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("an error doesn't repeat the URL's query, which may hold a key") {
  const auto client = client_for({});
  const auto response = client->send(get("http://10.0.0.1/?key=hunter2"));
  CHECK_FALSE(contains(response.error().message, "hunter2"));
  OfflineHttpClient offline;
  CHECK_FALSE(contains(offline.send(get("http://a/?key=hunter2")).error().message, "hunter2"));
}

TEST_CASE("offline, nothing is connected to") {
  LoopbackServer server(
      LoopbackServer::answering([](const std::string&) { return LoopbackServer::ok("x"); }));
  OfflineHttpClient client;
  const auto response = client.send(get(server.url("/a")));
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kPermissionDenied);
  CHECK(contains(response.error().message, "--offline"));
  CHECK(server.accepted() == 0);
}

TEST_CASE("one client serves several threads") {
  LoopbackServer server(LoopbackServer::answering(
      [](const std::string& request) { return LoopbackServer::ok(request.substr(0, 8)); }));
  const auto client = client_for({server.allow_entry()});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string path = "/" + std::to_string(100 + t);
      for (int i = 0; i < 20; ++i) {
        const auto response = client->send(get(server.url(path)));
        if (response && response->body == "GET " + path) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 80);
}

}  // namespace
}  // namespace weft::net
