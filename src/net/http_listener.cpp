#include "net/http_listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "net/http_connection.h"
#include "net/http_wire.h"

namespace limpid {
namespace {

namespace ip = boost::asio::ip;

constexpr int kBacklog = 4096;
// Taken before others have their turn: few at a time, a storm fills the kernel's queue; by thousands, what has just come
// in may be the idle connection that is closed for the next (docs/log.md).
constexpr int kAtOnce = 512;
constexpr auto kPause = std::chrono::milliseconds(100);  // when accept fails: no descriptor is left, mostly
constexpr int kUnsentInKernel = 128 * 1024;              // a slow reader's bytes wait with us, where they are counted

ip::address parse_address(const std::string& text) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(text == "localhost" ? "127.0.0.1" : text, error);
  if (error) fail(ErrorKind::input, "listen on '{}': expected an IPv4 or IPv6 address", text);
  return address;
}

ip::address plain(const ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return ip::make_address_v4(ip::v4_mapped, address.to_v6());
}

// Whoever has an IPv6 address has 2^64 of them: the network counts.
std::string counted_as(const ip::address& address) {
  if (address.is_v4()) return address.to_string();
  ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return ip::address_v6(bytes).to_string();
}

// Too many connections: said if the socket takes it at once, and closed.
void turn_away(HttpLoop::Socket& socket, std::string_view date) {
  const ServedResponse response = error_response(503, "overloaded", "too many connections", 5);
  const std::string answer = response_head({.status = response.status,
                                            .headers = response.headers,
                                            .length = response.body.size(),
                                            .keep_alive = false,
                                            .date = date}) +
                             response.body;
  (void)::send(socket.native_handle(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(socket.native_handle(), SHUT_WR);
}

}  // namespace

HttpListener::HttpListener(HttpLoop& loop)
    : loop_(loop), acceptor_(loop.context.get_executor()), pause_(loop.context.get_executor()) {
  const Endpoint endpoint(parse_address(loop.options.address), loop.options.port);
  boost::system::error_code error;
  const auto step = [&](const char* doing) {
    if (error)
      fail(ErrorKind::system, "{} {} port {}: {}", doing, loop.options.address, loop.options.port, error.message());
  };
  acceptor_.open(endpoint.protocol(), error);
  step("open a socket for");
  acceptor_.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (endpoint.address().is_v6()) acceptor_.set_option(ip::v6_only(false), error);  // "::" is IPv4 too
  acceptor_.bind(endpoint, error);
  step("bind to");
  acceptor_.listen(kBacklog, error);
  step("listen on");
  acceptor_.non_blocking(true, error);
  step("set up");
  port_ = acceptor_.local_endpoint(error).port();
  step("ask for the port of");
}

void HttpListener::start() { accept(); }

void HttpListener::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

void HttpListener::accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_wait(ip::tcp::acceptor::wait_read, [this](const boost::system::error_code& error) {
    if (!acceptor_.is_open()) return;
    if (error || !take_waiting()) return pause();
    accept();
  });
}

// Those who wait to be let in, kAtOnce of them at most. False: the system gives none (too many open files).
bool HttpListener::take_waiting() {
  for (int i = 0; i < kAtOnce; ++i) {
    HttpLoop::Socket socket(loop_.context.get_executor());
    Endpoint from;
    boost::system::error_code error;
    acceptor_.accept(socket, from, error);
    if (error == boost::asio::error::would_block || error == boost::asio::error::try_again) return true;
    if (error == boost::asio::error::connection_aborted) continue;
    if (error) return false;
    try {
      accepted(std::move(socket), from);
    } catch (...) {  // memory: this peer is closed, others are served
      ++loop_.counters.refused;
    }
  }
  return true;
}

void HttpListener::pause() {
  pause_.expires_after(kPause);
  pause_.async_wait([this](const boost::system::error_code& error) {
    if (!error) accept();
  });
}

void HttpListener::accepted(HttpLoop::Socket socket, const Endpoint& from) {
  const ip::address address = plain(from.address());
  const std::string counted = counted_as(address);
  if (!loop_.may_connect(counted)) {
    ++loop_.counters.refused;
    if (!certificate_) turn_away(socket, loop_.date());
    return;
  }
  ++loop_.counters.accepted;
  boost::system::error_code ignored;
  socket.set_option(ip::tcp::no_delay(true), ignored);
  const int unsent = kUnsentInKernel;
  (void)::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  HttpSocket::Tls session = certificate_ ? certificate_->session(socket.native_handle()) : nullptr;
  if (session) socket.native_non_blocking(true, ignored);
  auto connection =
      std::make_shared<HttpConnection>(loop_, std::move(socket), std::move(session), address.to_string(), counted);
  HttpConnection& started = *connection;
  started.start(loop_.add(std::move(connection), counted));
}

}  // namespace limpid
