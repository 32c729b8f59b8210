// HttpListener: accepts, counts, caps, and hands each peer to a connection. In the thread of input and output, but for
// the constructor.
#pragma once

#include <memory>

#include "net/http_certificate.h"
#include "net/http_loop.h"

namespace limpid {

class HttpListener {
 public:
  // Binds and listens. Throws Error(input) for an address that is none, Error(system) naming address and port.
  explicit HttpListener(HttpLoop& loop);

  std::uint16_t port() const { return port_; }
  void start();
  void close();
  void use(std::shared_ptr<const HttpCertificate> certificate) { certificate_ = std::move(certificate); }

 private:
  using Endpoint = boost::asio::ip::tcp::endpoint;

  void accept();
  bool take_waiting();
  void pause();
  void accepted(HttpLoop::Socket socket, const Endpoint& from);

  HttpLoop& loop_;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, HttpLoop::Executor> acceptor_;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                    HttpLoop::Executor>
      pause_;
  std::uint16_t port_ = 0;
  std::shared_ptr<const HttpCertificate> certificate_;  // none: plain HTTP
};

}  // namespace limpid
