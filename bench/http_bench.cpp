// What the HTTP server costs by itself:   http_bench [SECONDS] [IDLE]
// Requests a second and latency of a trivial handler at 1 and 64 connections, then IDLE
// connections: bytes of memory each and processor time while nothing happens. The client is a process of its own on
// the same machine, so on two cores it takes its share of them. Memory is the server process's; what the kernel keeps
// for a socket is not in it.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/http_server.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::string_view kRequest = "GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int connect_to(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    std::perror("connect");
    std::_Exit(1);
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

void send_request(int descriptor) {
  if (::send(descriptor, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) std::_Exit(1);
}

// Each connection asks again as soon as it was answered.
void closed_loop(std::uint16_t port, int connections, double seconds) {
  std::vector<pollfd> polled;
  std::vector<Clock::time_point> asked;
  for (int i = 0; i < connections; ++i) {
    polled.push_back({connect_to(port), POLLIN, 0});
    asked.push_back(Clock::now());
    send_request(polled.back().fd);
  }
  std::vector<double> latencies;
  std::array<char, 4096> buffer{};
  const Clock::time_point start = Clock::now();
  while (since(start) < seconds) {
    ::poll(polled.data(), polled.size(), 1000);
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (!(polled[i].revents & POLLIN)) continue;
      if (::recv(polled[i].fd, buffer.data(), buffer.size(), 0) <= 0) std::_Exit(1);  // an answer is one segment
      latencies.push_back(since(asked[i]));
      asked[i] = Clock::now();
      send_request(polled[i].fd);
    }
  }
  const double took = since(start);
  std::sort(latencies.begin(), latencies.end());
  const auto microseconds = [&](double share) {
    return 1e6 * latencies[static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1))];
  };
  fmt::print("{:4} connections: {:8.0f} requests/s, latency p50 {:.0f} us, p99 {:.0f} us\n", connections,
             static_cast<double>(latencies.size()) / took, microseconds(0.5), microseconds(0.99));
  std::fflush(stdout);
  for (const pollfd& each : polled) ::close(each.fd);
}

// The other process: what it measures it prints; then it holds `idle` connections, each used once, until it is told.
int client(int commands, int reports, double seconds, int idle) {
  std::uint16_t port = 0;
  if (::read(commands, &port, sizeof port) != sizeof port) return 1;
  closed_loop(port, 1, seconds);
  closed_loop(port, 64, seconds);
  char byte = 0;
  if (::write(reports, &byte, 1) != 1 || ::read(commands, &byte, 1) != 1) return 1;
  std::array<char, 4096> buffer{};
  for (int i = 0; i < idle; ++i) {
    const int descriptor = connect_to(port);
    send_request(descriptor);
    if (::recv(descriptor, buffer.data(), buffer.size(), 0) <= 0) return 1;
  }
  if (::write(reports, &byte, 1) != 1) return 1;
  (void)!::read(commands, &byte, 1);
  return 0;
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double resident_bytes() {
  long pages = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file || std::fscanf(file, "%ld %ld", &pages, &resident) != 2) return 0;
  std::fclose(file);
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void raise_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 5;
  const int idle = argc > 2 ? std::atoi(argv[2]) : 5000;
  raise_descriptors();
  int commands[2], reports[2];
  if (::pipe(commands) != 0 || ::pipe(reports) != 0) return 1;
  const pid_t child = ::fork();
  if (child == 0) return client(commands[0], reports[1], seconds, idle);

  limpid::HttpServerOptions options;
  options.idle_seconds = 600;
  limpid::HttpServer server(options, [](std::shared_ptr<limpid::HttpExchange> exchange) {
    exchange->respond({200, {{"Content-Type", "text/plain"}}, "hello"});
  });
  server.start();
  const std::uint16_t port = server.port();
  char byte = 0;
  if (::write(commands[1], &port, sizeof port) != sizeof port || ::read(reports[0], &byte, 1) != 1) return 1;
  const double busy = processor_seconds();
  const auto served = static_cast<double>(server.statistics().requests);
  fmt::print("processor time of the server: {:.1f} us a request\n", 1e6 * busy / served);
  const double before = resident_bytes();
  if (::write(commands[1], &byte, 1) != 1 || ::read(reports[0], &byte, 1) != 1) return 1;
  fmt::print("{} idle connections: {:.0f} bytes each\n", server.statistics().connections,
             (resident_bytes() - before) / idle);
  const double start = processor_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  fmt::print("idle: {:.3f} ms of processor time a second\n", 1e3 * (processor_seconds() - start) / seconds);
  (void)!::write(commands[1], &byte, 1);
  ::waitpid(child, nullptr, 0);
  return 0;
}
