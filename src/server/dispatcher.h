// Dispatcher: the handler of the HTTP server. Finds the route, turns away foreign pages (Host and Origin), identifies,
// calls the handler, and turns everything that is thrown into a reply. Counts and logs every request when its answer is
// whole: who, what, how long; never a body, a query or a header.
//
// Foreign pages: a page on the internet can make a browser call a server on this machine, and by DNS rebinding call it
// under the page's own name. So the Host must be one of `hosts` (where any are named), and an Origin must be the
// server's own or one of `origins`; those get CORS headers, nobody else does.
//
// From the server's worker threads, many at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/admission.h"
#include "server/metrics.h"
#include "server/router.h"

namespace limpid {

class RecordedExchange;

struct AccessRecord {
  std::string time;  // UTC, "2026-11-27T12:00:00Z"
  std::string peer, method, request_id, account;
  std::string route{"-"};  // the pattern; "-" where there was none
  int status = 0;          // 0: the peer went away before it was told
  std::uint64_t bytes = 0;
  double seconds = 0;
  bool cut = false;  // the peer went away, or was cut, before the end
};

struct DispatcherOptions {
  std::vector<std::string> hosts;    // names without a port, lower case; empty: any
  std::vector<std::string> origins;  // "https://app.example.org": may call from a browser
};

struct DispatcherSinks {
  std::function<void(const AccessRecord&)> access;
  std::function<void(const std::string& request_id, const std::string& what)> error;
};

class Dispatcher {
 public:
  // All must outlive it.
  Dispatcher(DispatcherOptions options, const Router& router, Admission& admission, Metrics& metrics,
             DispatcherSinks sinks);
  void operator()(std::shared_ptr<HttpExchange> exchange) const;
  // The HTTP server's door: where a request waits; who is over a limit is told at once. Quick, any thread.
  HttpPlace place(const ServedRequest& request) const;

 private:
  void answer(std::shared_ptr<HttpExchange> exchange, const Standing* refused) const;
  void dispatch(Call& call, const std::shared_ptr<RecordedExchange>& recorded, std::string& route,
                const Standing* refused) const;
  // The reply that `thrown` becomes.
  void tell(RecordedExchange& exchange, const ErrorBody& body, const std::string& request_id,
            const std::exception_ptr& thrown) const;
  void check_source(const ServedRequest& request, bool any_origin) const;
  bool allowed_origin(const ServedRequest& request, std::string_view origin) const;

  const DispatcherOptions options_;
  const Router& router_;
  Admission& admission_;
  Metrics& metrics_;
  const DispatcherSinks sinks_;
};

}  // namespace limpid
