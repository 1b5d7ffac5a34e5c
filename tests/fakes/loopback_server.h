#pragma once
// A server on 127.0.0.1 for tests of clients: the test says, byte by byte, what it answers.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weft::test {

class LoopbackServer {
 public:
  class Connection {
   public:
    Connection(int socket, const std::atomic<bool>& closing) : socket_(socket), closing_(closing) {}

    /// One request with its body (by Content-Length); empty at the end of the connection.
    std::string read_request() {
      while (true) {
        const std::size_t head_end = buffer_.find("\r\n\r\n");
        if (head_end != std::string::npos) {
          const std::size_t size = head_end + 4 + body_size(buffer_.substr(0, head_end));
          if (buffer_.size() >= size) {
            std::string request = buffer_.substr(0, size);
            buffer_.erase(0, size);
            return request;
          }
        }
        pollfd wait{socket_, POLLIN, 0};
        if (::poll(&wait, 1, 20) == 0 && !closing_) continue;
        char bytes[4096];
        const ssize_t n = ::recv(socket_, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n <= 0) return {};
        buffer_.append(bytes, static_cast<std::size_t>(n));
      }
    }
    /// False once the peer is gone.
    bool write(std::string_view bytes) {
      while (!bytes.empty()) {
        const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
      }
      return true;
    }
    /// Stays silent until the peer leaves or the server ends.
    void hang() {
      while (!closing_) {
        pollfd wait{socket_, POLLIN, 0};
        char byte = 0;
        if (::poll(&wait, 1, 10) > 0 && ::recv(socket_, &byte, 1, MSG_DONTWAIT) == 0) return;
      }
    }

   private:
    static std::size_t body_size(const std::string& head) {
      const std::size_t at = head.find("Content-Length: ");
      return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    }

    int socket_;
    const std::atomic<bool>& closing_;
    std::string buffer_;
  };
  /// Runs once a connection, on a thread of its own; the connection closes when it returns.
  using Handler = std::function<void(Connection&)>;

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no loopback socket");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~LoopbackServer() {
    closing_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  /// Answers each request of each connection with what `answer` returns for it.
  static Handler answering(std::function<std::string(const std::string& request)> answer) {
    return [answer = std::move(answer)](Connection& connection) {
      for (std::string request = connection.read_request(); !request.empty();
           request = connection.read_request()) {
        if (!connection.write(answer(request))) return;
      }
    };
  }
  static std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::string allow_entry() const { return "127.0.0.1:" + std::to_string(port_); }
  int accepted() const { return accepted_; }

 private:
  void accept_all() {
    while (!closing_) {
      pollfd wait{listener_, POLLIN, 0};
      if (::poll(&wait, 1, 10) <= 0) continue;
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      ++accepted_;
      threads_.emplace_back([this, socket] {
        Connection connection(socket, closing_);
        handler_(connection);
        ::close(socket);
      });
    }
  }

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> closing_{false};
  std::atomic<int> accepted_{0};
  std::vector<std::thread> threads_;  // touched by the acceptor, and after it has ended
  std::thread acceptor_;
};

}  // namespace weft::test
