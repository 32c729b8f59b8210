#include "server/dispatcher.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "server/random_id.h"
#include "server/recorded_exchange.h"

namespace limpid {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// "localhost" of "localhost:8080", "::1" of "[::1]:8080".
std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) return lower(authority.substr(1, authority.find(']') - 1));
  return lower(authority.substr(0, authority.find(':')));
}

void reply(HttpExchange& exchange, const ErrorBody& body, const std::string& request_id, const ApiError& error) {
  ServedResponse response{error.status, {{"Content-Type", "application/json"}}, body(error, request_id)};
  if (error.retry_after_s > 0) response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  exchange.respond(std::move(response));
}

// Of a page whose origin is allowed: what it asks for, whatever its client calls them (x-stainless-..., anthropic-...).
// Which origins may call is the decision; a header more or less gives nobody anything.
std::string allowed_headers(const ServedRequest& request) {
  constexpr std::size_t kMost = 4096;
  const std::string_view asked = request.header("Access-Control-Request-Headers");
  const auto in_list = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~, ").find(c) != std::string_view::npos;
  };
  if (!asked.empty() && asked.size() <= kMost && std::ranges::all_of(asked, in_list)) return std::string(asked);
  return "Authorization, Content-Type, Last-Event-ID, x-api-key";
}

void check_scope(const Route& route, const Identity& identity) {
  if (route.session && !identity.session) throw forbidden("this is done in the browser, logged in; an API key cannot");
  if (route.scope.empty() || identity.scopes.empty()) return;
  if (std::ranges::find(identity.scopes, route.scope) == identity.scopes.end())
    throw forbidden(fmt::format("this key may not do that: it lacks the scope \"{}\"", route.scope));
}

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options, const Router& router, Admission& admission, Metrics& metrics,
                       DispatcherSinks sinks)
    : options_(std::move(options)),
      router_(router),
      admission_(admission),
      metrics_(metrics),
      sinks_(std::move(sinks)) {}

bool Dispatcher::allowed_origin(const ServedRequest& request, std::string_view origin) const {
  if (std::ranges::find(options_.origins, origin) != options_.origins.end()) return true;
  const std::string own = fmt::format("{}://{}", request.tls ? "https" : "http", lower(request.header("Host")));
  return lower(origin) == own;
}

void Dispatcher::check_source(const ServedRequest& request, bool any_origin) const {
  const std::string host = host_of(request.header("Host"));
  if (!options_.hosts.empty() && std::ranges::find(options_.hosts, host) == options_.hosts.end())
    throw forbidden("the Host header names none of this server's names (--allow-host adds one)");
  const std::string_view origin = request.header("Origin");
  if (!any_origin && !origin.empty() && !allowed_origin(request, origin))
    throw forbidden("requests from pages of other origins are not allowed (--cors adds one)");
}

HttpPlace Dispatcher::place(const ServedRequest& request) const {
  Standing standing = admission_.standing(request);
  HttpPlace place;
  place.rank = standing.rank;
  place.share = standing.account;
  if (!standing.refusal) return place;
  const Route* route = router_.find(request.method, request.path).route;
  if (route == nullptr || !(route->computes || (standing.rank == Standing::kStranger && !route->open))) return place;
  place.instead = [this, standing = std::move(standing)](std::shared_ptr<HttpExchange> exchange) {
    answer(std::move(exchange), &standing);
  };
  return place;
}

void Dispatcher::operator()(std::shared_ptr<HttpExchange> exchange) const { answer(std::move(exchange), nullptr); }

// `refused`: it is told so, instead of what the route does.
void Dispatcher::answer(std::shared_ptr<HttpExchange> exchange, const Standing* refused) const {
  auto call = Call{};
  call.request_id = random_id("req_");
  const ServedRequest& request = exchange->request();
  HttpFields fields{{"X-Request-Id", call.request_id}, {"X-Content-Type-Options", "nosniff"}};
  if (const std::string_view origin = request.header("Origin");
      !origin.empty() && std::ranges::find(options_.origins, origin) != options_.origins.end()) {
    fields.emplace_back("Access-Control-Allow-Origin", origin);
    fields.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
    fields.emplace_back("Vary", "Origin, Access-Control-Request-Headers");
  }
  auto record = std::make_shared<AccessRecord>();
  record->time = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  record->peer = request.peer;
  record->method = request.method;
  record->request_id = call.request_id;
  const auto done = [record, this](const ExchangeRecord& end) {
    record->status = end.status;
    record->bytes = end.bytes;
    record->seconds = end.seconds;
    record->cut = !end.whole;
    const bool known = record->route != "-";  // a method that no route has is the peer's to choose
    const std::string route = fmt::format("route=\"{}\"", record->route);
    metrics_.count("limpid_requests_total",
                   fmt::format("{},method=\"{}\",status=\"{}\"", route, known ? record->method : "-", record->status));
    metrics_.observe("limpid_request_seconds", route, end.seconds);
    sinks_.access(*record);
  };
  auto recorded = std::make_shared<RecordedExchange>(std::move(exchange), std::move(fields), done);
  call.exchange = recorded;

  try {
    dispatch(call, recorded, record->route, refused);
    record->account = call.identity.account;
  } catch (...) {
    record->account = call.identity.account;
    tell(*recorded, call.error_body, call.request_id, std::current_exception());
  }
}

void Dispatcher::tell(RecordedExchange& exchange, const ErrorBody& body, const std::string& request_id,
                      const std::exception_ptr& thrown) const {
  const ToldError told = told_error(thrown, request_id);
  if (!told.log.empty()) sinks_.error(request_id, told.log);
  if (!exchange.answered()) reply(exchange, body, request_id, told.error);  // else it is too late: what is there is all
}

void Dispatcher::dispatch(Call& call, const std::shared_ptr<RecordedExchange>& recorded, std::string& route,
                          const Standing* refused) const {
  const ServedRequest& request = call.request();
  const Router::Match match = router_.find(request.method, request.path);
  check_source(request, match.route != nullptr && match.route->any_origin);
  if (match.route == nullptr && request.method == "OPTIONS" && !match.allowed.empty()) {  // a browser asks before
    call.exchange->respond({204,
                            {{"Allow", match.allowed},
                             {"Access-Control-Allow-Methods", match.allowed},
                             {"Access-Control-Allow-Headers", allowed_headers(request)},
                             {"Access-Control-Max-Age", "600"}},
                            {}});
    return;
  }
  if (match.route == nullptr && match.allowed.empty()) throw not_found("there is nothing at this path", "unknown_path");
  if (match.route == nullptr) {
    const ApiError error(405, "invalid_request_error", fmt::format("this path takes {}", match.allowed), {},
                         "method_not_allowed");
    call.exchange->respond({405,
                            {{"Content-Type", "application/json"}, {"Allow", match.allowed}},
                            call.error_body(error, call.request_id)});
    return;
  }
  route = match.route->pattern;
  call.error_body = match.route->error_body;
  call.parameters = match.parameters;
  if (refused != nullptr) {
    call.identity.account = refused->account;
    throw ApiError(*refused->refusal);
  }
  if (!match.route->open) {
    call.identity = admission_.identify(request);
    check_scope(*match.route, call.identity);
  }
  if (match.route->computes) admission_.check(call.identity);
  if (match.route->text) admission_.count_text(call.identity);
  call.fail = [this, recorded, body = call.error_body, id = call.request_id](const std::exception_ptr& thrown) {
    tell(*recorded, body, id, thrown);
  };
  match.route->handler(call);
}

}  // namespace limpid
