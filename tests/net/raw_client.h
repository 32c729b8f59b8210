// RawClient: a socket that sends exactly the bytes a test gives, and reads with a limit of time. For what no
// well-behaved client does.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace limpid::test {

// One answer taken apart.
struct RawAnswer {
  int status = 0;
  std::string head;  // with its empty line
  std::string body;  // chunks put together
  bool whole = false;

  std::string header(const std::string& name) const {  // as this server writes names
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, const char* address = "127.0.0.1", int receive_buffer = 0) {
    const bool v6 = std::string_view(address).find(':') != std::string_view::npos;
    socket_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    int done = -1;
    if (v6) {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(port);
      ::inet_pton(AF_INET6, address, &to.sin6_addr);
      done = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    } else {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      ::inet_pton(AF_INET, address, &to.sin_addr);
      done = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
    if (done != 0) {
      ::close(socket_);
      throw std::runtime_error("connect");
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), read_(std::move(other.read_)), ended_(other.ended_) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  int descriptor() const { return socket_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  // Until `end` was read, the peer closed or the time is over; what was read, `end` included, is taken away.
  std::string read_until(std::string_view end, double seconds = 10) {
    std::size_t at = read_.find(end);
    while (at == std::string::npos && more(seconds)) at = read_.find(end);
    return take(at == std::string::npos ? read_.size() : at + end.size());
  }
  std::string read_bytes(std::size_t size, double seconds = 10) {
    while (read_.size() < size && more(seconds)) continue;
    return take(std::min(size, read_.size()));
  }
  std::string read_all(double seconds = 10) {
    while (more(seconds)) continue;
    return take(read_.size());
  }

  RawAnswer answer(bool head_request = false, double seconds = 10) {
    RawAnswer result;
    result.head = read_until("\r\n\r\n", seconds);
    if (!result.head.ends_with("\r\n\r\n") || result.head.size() < 12) return result;
    result.status = std::atoi(result.head.c_str() + 9);
    if (head_request || result.status == 204 || result.status == 304 || result.status == 100) {
      result.whole = true;
    } else if (const std::string length = result.header("Content-Length"); !length.empty()) {
      const std::size_t size = std::stoul(length);
      result.body = read_bytes(size, seconds);
      result.whole = result.body.size() == size;
    } else if (result.header("Transfer-Encoding") == "chunked") {
      read_chunks(result, seconds);
    } else {
      result.body = read_all(seconds);
      result.whole = ended_;
    }
    return result;
  }
  RawAnswer ask(std::string_view request) {
    send(request);
    return answer();
  }

  // The peer closes (or resets) within this time; bytes before are skipped.
  bool ends(double seconds = 10) {
    while (more(seconds)) continue;
    return ended_;
  }

 private:
  void read_chunks(RawAnswer& result, double seconds) {
    for (;;) {
      const std::string line = read_until("\r\n", seconds);
      if (!line.ends_with("\r\n")) return;
      const std::size_t size = std::stoul(line, nullptr, 16);
      const std::string chunk = read_bytes(size + 2, seconds);
      if (chunk.size() != size + 2) return;
      if (size == 0) {
        result.whole = true;
        return;
      }
      result.body += chunk.substr(0, size);
    }
  }
  std::string take(std::size_t size) {
    std::string taken = read_.substr(0, size);
    read_.erase(0, size);
    return taken;
  }
  bool more(double seconds) {
    if (ended_) return false;
    pollfd asked{socket_, POLLIN, 0};
    if (::poll(&asked, 1, static_cast<int>(seconds * 1000)) <= 0) return false;
    char buffer[16384];
    const ssize_t n = ::recv(socket_, buffer, sizeof buffer, 0);
    if (n <= 0) {
      ended_ = true;
      return false;
    }
    read_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  int socket_ = -1;
  std::string read_;
  bool ended_ = false;
};

inline std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view more = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) +
         "\r\n" + std::string(body);
}

// Until `holds` does, for some seconds.
template <typename Predicate>
bool eventually(Predicate holds, double seconds = 10) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::usleep(1000);
  }
  return true;
}

}  // namespace limpid::test
