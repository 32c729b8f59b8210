// A running HttpServer and handlers for the tests of it.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/seconds.h"
#include "net/http_server.h"
#include "tests/net/raw_client.h"

namespace limpid::test {

using Exchange = std::shared_ptr<HttpExchange>;

inline ServedResponse text(std::string body, int status = 200) {
  return {status, {{"Content-Type", "text/plain"}}, std::move(body)};
}

inline void echo(const Exchange& exchange) {
  const ServedRequest& request = exchange->request();
  exchange->respond(text(request.method + " " + request.path + "?" + request.query + " " + request.body));
}

// On a free port.
struct Served {
  explicit Served(HttpHandler handler, HttpServerOptions options = {}, HttpDoor door = {})
      : server(std::move(options), std::move(handler), std::move(door)) {
    server.start();
  }
  RawClient client() const { return RawClient(server.port()); }
  HttpServer server;
};

// Exchanges that a test answers itself, in its own time.
struct Kept {
  HttpHandler handler() {
    return [this](Exchange exchange) {
      const std::lock_guard lock(mutex);
      exchanges.push_back(std::move(exchange));
    };
  }
  Exchange wait(std::size_t index = 0) {
    eventually([&] {
      const std::lock_guard lock(mutex);
      return exchanges.size() > index;
    });
    const std::lock_guard lock(mutex);
    return exchanges.at(index);
  }
  std::mutex mutex;
  std::vector<Exchange> exchanges;
};

}  // namespace limpid::test
