// Service: the API as one object: routes, dispatcher, answers under way, metrics. The app builds it around models and
// an admission, hands handler() to the HTTP server, and adds what else there is to routes() before it starts.
//
// Order of building: models, admission, service, HTTP server; of ending: HTTP server, service, admission, models.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/answer.h"
#include "server/dispatcher.h"

namespace limpid {

struct ServiceOptions {
  std::string version;  // of the program
  DispatcherOptions dispatcher;
  GenerationLimits generations;
  std::int64_t default_max_tokens = 32768;
  std::function<void(const std::string& request_id, const std::string& prompt)> log_prompt{};  // as Answering has it
  bool metrics_open = true;  // /metrics without a key; else for administrators
};

class Service {
 public:
  Service(ServiceOptions options, ServedModels& models, Admission& admission, DispatcherSinks sinks);
  ~Service();  // cancels what runs

  Router& routes() { return router_; }
  HttpHandler handler();
  HttpDoor door();
  GenerationTable& generations() { return generations_; }
  Metrics& metrics() { return metrics_; }
  // Where /metrics finds the counters of the HTTP server.
  void http_statistics(std::function<HttpServerStatistics()> read) { http_statistics_ = std::move(read); }
  Answering& answering() { return answering_; }

 private:
  std::vector<Metrics::Sample> samples() const;

  const ServiceOptions options_;
  Metrics metrics_;
  std::function<HttpServerStatistics()> http_statistics_;
  Router router_;
  Dispatcher dispatcher_;  // outlives every exchange: it is told of their ends
  GenerationTable generations_;
  GrammarCache grammars_;
  ModelLoads loads_;
  Answering answering_;
};

}  // namespace limpid
