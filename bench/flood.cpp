// Many clients in one thread, for bench/attack: each sends a request, reads the answer, sends the next. Prints what
// came back. Plain sockets and epoll: Python brings a few hundred requests a second, this some ten thousand.
//
//   flood PORT SECONDS CLIENTS keep|new ADDRESSES < requests
//
// keep: a client stays connected while the server lets it; new: a connection for every request. Clients come from
// ADDRESSES addresses of loopback (127.2.0.1 and on; 0: all from 127.0.0.1). Requests on standard input, each
// "LABEL BYTES\n" and so many bytes; client c begins with the c-th and goes on with the next.
// Output, one line each: "sent N", "seconds S", "opened N", "LABEL STATUS N" (STATUS "cut": the connection ended before
// an answer), "bare LABEL N": refusals without Retry-After.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Request {
  std::string label, bytes;
};

struct Client {
  int descriptor = -1;
  std::size_t request = 0, sent = 0;
  std::string answer;
  bool connecting = false;
  Clock::time_point again{};  // not before: a connection that failed is not tried in a busy loop
};

std::vector<Request> read_requests() {
  const std::string all{std::istreambuf_iterator<char>(std::cin), {}};
  std::vector<Request> requests;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at), space = all.rfind(' ', end);
    const std::size_t bytes = std::strtoull(all.c_str() + space, nullptr, 10);
    requests.push_back({all.substr(at, space - at), all.substr(end + 1, bytes)});
    at = end + 1 + bytes;
  }
  return requests;
}

// The value of a header of the answer's head, which is lower-cased here; empty: none.
std::string header(std::string head, std::string_view name) {
  for (char& c : head) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const std::size_t at = head.find("\r\n" + std::string(name) + ":");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + 3 + name.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

class Flood {
 public:
  Flood(int port, std::size_t clients, bool keep, int addresses, std::vector<Request> requests)
      : port_(port), keep_(keep), addresses_(addresses), requests_(std::move(requests)), clients_(clients) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    poll_ = ::epoll_create1(0);
    for (std::size_t i = 0; i < clients; ++i) clients_[i].request = i % requests_.size();
  }

  void run(double seconds) {
    const Clock::time_point begin = Clock::now();
    const auto since = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    std::vector<epoll_event> events(1024);
    while (since() < seconds) {
      const Clock::time_point now = Clock::now();
      int opened = 0;
      for (std::size_t i = 0; i < clients_.size() && opened < 256; ++i)
        if (clients_[i].descriptor < 0 && clients_[i].again <= now) opened += open(i);
      const int ready = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 1);
      for (int i = 0; i < ready; ++i) move(events[static_cast<std::size_t>(i)].data.u64);
    }
    std::printf("sent %lu\nopened %lu\nseconds %.3f\n", sent_, opened_, since());
    for (const auto& [what, count] : tally_) std::printf("%s %lu\n", what.c_str(), count);
  }

 private:
  bool open(std::size_t index) {
    Client& client = clients_[index];
    client.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client.descriptor < 0) return false;
    const int on = 1;
    const linger reset{1, 0};  // no TIME_WAIT: ports do not run out
    ::setsockopt(client.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (addresses_ > 0) {
      const auto number = static_cast<std::uint32_t>(index % static_cast<std::size_t>(addresses_));
      ::setsockopt(client.descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
      address.sin_addr.s_addr = htonl(0x7f020001u + number / 250 * 256 + number % 250);
      ::bind(client.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      close(client, 50);
      return false;
    }
    ++opened_;
    client.connecting = true;
    client.sent = 0;
    client.answer.clear();
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLET, {}};
    event.data.u64 = index;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, client.descriptor, &event);
    return true;
  }

  void close(Client& client, int pause_ms) {
    ::close(client.descriptor);
    client.descriptor = -1;
    client.again = Clock::now() + std::chrono::milliseconds(pause_ms);
  }

  void cut(Client& client) {
    ++tally_[requests_[client.request].label + " cut"];
    close(client, 50);
  }

  void move(std::size_t index) {
    Client& client = clients_[index];
    if (client.descriptor < 0) return;
    for (;;) {
      if (!send(client)) return cut(client);
      char piece[16384];
      const ssize_t read = ::recv(client.descriptor, piece, sizeof piece, 0);
      if (read < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (read <= 0) return cut(client);
      client.answer.append(piece, static_cast<std::size_t>(read));
      if (!answered(client)) continue;
      if (client.descriptor < 0) return;
    }
  }

  bool send(Client& client) {
    const std::string& bytes = requests_[client.request].bytes;
    while (client.sent < bytes.size()) {
      const ssize_t sent =
          ::send(client.descriptor, bytes.data() + client.sent, bytes.size() - client.sent, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR || (errno == ENOTCONN && client.connecting);
      client.connecting = false;
      client.sent += static_cast<std::size_t>(sent);
      if (client.sent == bytes.size()) ++sent_;
    }
    return true;
  }

  // True: the answer is whole; the client has its next request, or no connection.
  bool answered(Client& client) {
    const std::size_t end = client.answer.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::string head = client.answer.substr(0, end + 2);
    if (header(head, "transfer-encoding").empty()) {
      const std::size_t length = std::strtoull(header(head, "content-length").c_str(), nullptr, 10);
      if (client.answer.size() < end + 4 + length) return false;
    } else if (!client.answer.ends_with("\r\n0\r\n\r\n")) {
      return false;
    }
    const std::string status = head.substr(9, 3), &label = requests_[client.request].label;
    ++tally_[label + " " + status];
    if ((status == "429" || status == "503") && header(head, "retry-after").empty()) ++tally_["bare " + label];
    const bool closes = header(head, "connection").find("close") != std::string::npos;
    client.request = (client.request + 1) % requests_.size();
    client.sent = 0;
    client.answer.clear();
    if (closes || !keep_) close(client, 0);
    return true;
  }

  const int port_;
  const bool keep_;
  const int addresses_;
  const std::vector<Request> requests_;
  std::vector<Client> clients_;
  int poll_ = -1;
  std::uint64_t sent_ = 0, opened_ = 0;
  std::map<std::string, std::uint64_t> tally_;
};

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    std::fprintf(stderr, "flood PORT SECONDS CLIENTS keep|new ADDRESSES < requests\n");
    return 2;
  }
  std::vector<Request> requests = read_requests();
  if (requests.empty()) return 2;
  Flood(std::atoi(words[1]), std::strtoull(words[3], nullptr, 10), std::string_view(words[4]) == "keep",
        std::atoi(words[5]), std::move(requests))
      .run(std::atof(words[2]));
  return 0;
}
