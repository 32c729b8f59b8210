#include "server/service.h"

#include <fmt/format.h>

#include "server/anthropic_routes.h"
#include "server/api_error.h"
#include "server/openai_parts.h"
#include "server/openapi.h"
#include "server/routes.h"

namespace limpid {

namespace {

void add_engine(std::vector<Metrics::Sample>& out, const std::string& model, const EngineStatistics& is) {
  const std::string labels = fmt::format("model=\"{}\"", model);
  const auto add = [&](const char* name, double value, bool counter) { out.push_back({name, labels, value, counter}); };
  add("limpid_engine_steps_total", static_cast<double>(is.steps), true);
  add("limpid_engine_rows_total", static_cast<double>(is.rows), true);
  add("limpid_engine_reused_tokens_total", static_cast<double>(is.reused_tokens), true);
  add("limpid_engine_preemptions_total", static_cast<double>(is.preemptions), true);
  add("limpid_engine_busy_seconds_total", is.busy_seconds, true);
  add("limpid_engine_waiting", is.waiting, false);
  add("limpid_engine_running", is.running, false);
  add("limpid_engine_pages", is.pages, false);
  add("limpid_engine_free_pages", is.free_pages, false);
}

}  // namespace

Service::Service(ServiceOptions options, ServedModels& models, Admission& admission, DispatcherSinks sinks)
    : options_(std::move(options)),
      dispatcher_(options_.dispatcher, router_, admission, metrics_, sinks),
      generations_(options_.generations, metrics_, std::move(sinks.error)),
      loads_(models),
      answering_{models, admission, generations_, grammars_, loads_, options_.default_max_tokens, options_.log_prompt} {
  add_chat_routes(router_, answering_);
  add_completion_routes(router_, answering_);
  add_model_routes(router_, answering_);
  add_text_routes(router_, answering_);
  add_anthropic_routes(router_, answering_);

  Route health{"GET", "/health", {}, {}, true};
  health.handler = [this](Call& call) {
    reply_json(call, fmt::format(R"({{"status":"ok","version":{},"answers":{}}})", json_string(options_.version),
                                 generations_.running()));
  };
  health.doc = {"health", "Whether the server answers", "server", "", "Health"};
  router_.add(std::move(health), {"/v1/health"});

  Route metrics{"GET", "/metrics", {}, {}, options_.metrics_open, "admin"};
  metrics.handler = [this](Call& call) {
    if (!options_.metrics_open && !call.identity.admin) throw forbidden("metrics are for administrators");
    call.exchange->respond(
        {200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, metrics_.text(samples())});
  };
  metrics.doc = {"metrics",   "Counters and histograms in Prometheus' text format", "server", "", "Text", false,
                 "text/plain"};
  router_.add(std::move(metrics));

  Route document{"GET", "/openapi.json"};
  document.open = true;
  document.handler = [this](Call& call) { reply_json(call, openapi_document(router_, options_.version)); };
  document.doc = {"openapi", "This API, for programs", "server", "", "Any"};
  router_.add(std::move(document));
}

Service::~Service() = default;

HttpHandler Service::handler() {
  return [this](std::shared_ptr<HttpExchange> exchange) { dispatcher_(std::move(exchange)); };
}

HttpDoor Service::door() {
  return [this](const ServedRequest& request) { return dispatcher_.place(request); };
}

std::vector<Metrics::Sample> Service::samples() const {
  std::vector<Metrics::Sample> out;
  out.push_back({"limpid_answers", "", static_cast<double>(generations_.size()), false});
  out.push_back({"limpid_waiting_for_models", "", static_cast<double>(loads_.waiting()), false});
  for (const auto& [model, statistics] : answering_.models.statistics()) add_engine(out, model, statistics);
  if (!http_statistics_) return out;
  const HttpServerStatistics http = http_statistics_();
  out.push_back({"limpid_http_connections", "", static_cast<double>(http.connections), false});
  out.push_back({"limpid_http_waiting", "", static_cast<double>(http.waiting), false});
  out.push_back({"limpid_http_accepted_total", "", static_cast<double>(http.accepted), true});
  out.push_back({"limpid_http_refused_total", "", static_cast<double>(http.refused), true});
  out.push_back({"limpid_http_shed_total", "", static_cast<double>(http.shed), true});
  out.push_back({"limpid_http_timeouts_total", "", static_cast<double>(http.timeouts), true});
  out.push_back({"limpid_http_bad_requests_total", "", static_cast<double>(http.bad_requests), true});
  return out;
}

}  // namespace limpid
