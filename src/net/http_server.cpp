#include "net/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "net/http_connection.h"
#include "net/http_listener.h"
#include "net/http_loop.h"

namespace limpid {
namespace {

void check(const HttpServerOptions& options) {
  const auto positive = [](const char* name, auto value) {
    if (!(value > 0)) fail(ErrorKind::input, "HTTP server: {} is {}, expected more than 0", name, value);
  };
  positive("workers", options.workers);
  positive("connections", options.connections);
  positive("connections_by_address", options.connections_by_address);
  positive("waiting_requests", options.waiting_requests);
  positive("header_bytes", options.header_bytes);
  positive("bodies_bytes", options.bodies_bytes);
  positive("unsent_bytes", options.unsent_bytes);
  positive("header_seconds", options.header_seconds);
  positive("body_seconds", options.body_seconds);
  positive("idle_seconds", options.idle_seconds);
  positive("write_seconds", options.write_seconds);
  if (options.certificate.empty() != options.key.empty())
    fail(ErrorKind::input, "TLS needs a certificate and its key: only the {} is given",
         options.key.empty() ? "certificate" : "key");
}

std::shared_ptr<const HttpCertificate> load_certificate(const HttpServerOptions& options) {
  if (options.certificate.empty()) return nullptr;
  return std::make_shared<const HttpCertificate>(options.certificate, options.key);
}

// As many descriptors as the connections may need, as far as the hard limit goes; where that is less, accept() pauses.
void allow_descriptors(int connections) {
  rlimit limit{};
  const rlim_t wanted = static_cast<rlim_t>(connections) + 1024;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, wanted);
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct HttpServer::State {
  State(HttpServerOptions options, HttpHandler handler, HttpDoor door)
      : loop(std::make_shared<HttpLoop>(std::move(options), std::move(handler), std::move(door))), listener(*loop) {}

  void run() {
    block_signals();
    for (;;) {
      try {
        loop->context.run();
        return;
      } catch (...) {  // memory, in asio itself: what was under way there is lost, the rest goes on
      }
    }
  }

  // Runs `act` in the thread of input and output and waits for it. Here where that thread does not run.
  template <typename Act>
  void in_loop(Act act) {
    if (!thread.joinable()) return act();
    std::promise<void> acted;
    boost::asio::post(loop->context, [&] {
      act();
      acted.set_value();
    });
    acted.get_future().wait();
  }

  std::shared_ptr<HttpLoop> loop;
  HttpListener listener;
  std::optional<boost::asio::executor_work_guard<HttpLoop::Executor>> work;
  std::thread thread;
};

HttpServer::HttpServer(HttpServerOptions options, HttpHandler handler, HttpDoor door) {
  check(options);
  std::shared_ptr<const HttpCertificate> certificate = load_certificate(options);
  state_ = std::make_unique<State>(std::move(options), std::move(handler), std::move(door));
  state_->listener.use(std::move(certificate));
}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start() {
  allow_descriptors(state_->loop->options.connections);
  state_->loop->workers.start(state_->loop->options.workers);
  state_->loop->deferred.start(std::max(1, state_->loop->options.workers / 2));
  if (!state_->loop->options.certificate.empty()) state_->loop->shakers.start(1);
  state_->work.emplace(state_->loop->context.get_executor());
  state_->listener.start();
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

std::uint16_t HttpServer::port() const { return state_->listener.port(); }

bool HttpServer::drain(double seconds) {
  HttpLoop& loop = *state_->loop;
  state_->in_loop([&] {
    loop.draining = true;
    state_->listener.close();
    for (const auto& connection : loop.connections()) connection->drain();
  });
  return loop.wait_for_exchanges(seconds);
}

void HttpServer::stop() {
  HttpLoop& loop = *state_->loop;
  state_->in_loop([&] {
    loop.draining = true;
    state_->listener.close();
    for (const auto& connection : loop.connections()) connection->cut();
    state_->work.reset();
  });
  if (state_->thread.joinable()) state_->thread.join();
  loop.shakers.stop();
  loop.workers.stop();
  loop.deferred.stop();
}

void HttpServer::reload_certificate() {
  auto certificate = load_certificate(state_->loop->options);
  if (!certificate) return;
  state_->in_loop([&] { state_->listener.use(std::move(certificate)); });
}

HttpServerStatistics HttpServer::statistics() const {
  const HttpLoop& loop = *state_->loop;
  HttpServerStatistics result;
  result.accepted = loop.counters.accepted;
  result.refused = loop.counters.refused;
  result.evicted = loop.counters.evicted;
  result.shed = loop.counters.shed;
  result.requests = loop.counters.requests;
  result.timeouts = loop.counters.timeouts;
  result.slow_readers = loop.counters.slow_readers;
  result.bad_requests = loop.counters.bad_requests;
  result.connections = loop.counters.connections;
  result.waiting = static_cast<int>(loop.workers.waiting() + loop.deferred.waiting());
  result.active = loop.active();
  return result;
}

}  // namespace limpid
