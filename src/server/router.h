// Router: which handler answers a method and a path, and what the OpenAPI document says about it: one table for both.
//
// A pattern is made of segments, "/v1/models/{id}"; a segment in braces takes one segment of the path, whatever it is,
// and a last segment "{name...}" the rest. A path matches the first route, in the order they were added, whose literal
// segments are equal. Built before the server starts, immutable afterwards: find() from any thread.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"
#include "server/admission.h"
#include "server/error_body.h"

namespace limpid {

// One request on its way to a handler.
struct Call {
  std::shared_ptr<HttpExchange> exchange;
  std::string request_id;  // "req_...": in the header X-Request-Id, the log and the text of a 500
  Identity identity;       // not filled in where the route is open
  std::map<std::string, std::string> parameters;  // of the pattern
  ErrorBody error_body = openai_error_body;
  // For what fails after the handler has returned: the reply that a throw would have become. From any thread.
  std::function<void(const std::exception_ptr&)> fail;

  // Work that takes long, on the threads for that (HttpExchange::defer); what it throws becomes the reply. Throws 503 where
  // no place is free.
  void defer(std::function<void()> work) const;

  const ServedRequest& request() const { return exchange->request(); }
  std::string query(std::string_view name) const;  // a parameter of the query, decoded; empty: none
};

// On a worker's thread; may block. Answers through the exchange, at once or later; throws ApiError or Error.
using RouteHandler = std::function<void(Call&)>;

// For the OpenAPI document; without an operation the route is not in it. Schemas are names in schemas.json; empty: no
// body.
struct RouteDoc {
  std::string operation{}, summary{}, tag{};
  std::string request{}, response{};
  bool streams = false;                    // the answer may also be server-sent events
  std::string media = "application/json";  // of the answer
  std::vector<std::string> query{};        // parameters of the query
  int status = 200;                        // of the answer; 204: it has no body
  std::string other_media{};               // text that may be asked for instead
};

struct Route {
  std::string method, pattern;
  RouteHandler handler{};
  RouteDoc doc{};
  bool open = false;    // without identify(): what is no secret and costs nothing, or what asks by itself
  std::string scope{};  // a key with scopes must have this one. What is not open has one, or is for sessions
  ErrorBody error_body = openai_error_body;
  bool computes = false;    // tokenizes or answers: Admission::check() before anything of it is parsed
  bool text = false;        // computes, and answers nothing: Admission::count_text()
  bool any_origin = false;  // a page of any origin may load it: files of the app, for its sandboxed frame has none
  bool session = false;     // by the cookie of a browser's session only: no key does it, whatever its scopes
  bool asks = false;        // open, and asks for the key or the cookie by itself: for the document it is not open
};

class Router {
 public:
  struct Match {
    const Route* route = nullptr;  // null: no such path, or not by this method
    std::map<std::string, std::string> parameters;
    std::string allowed;  // methods that the path has, "GET, POST"; empty: no such path
  };

  // Throws std::logic_error for one that says nothing about who may call it.
  void add(Route route);
  // The same handler under several patterns; the document shows the first.
  void add(Route route, const std::vector<std::string>& also);
  // HEAD is answered by GET's route.
  Match find(std::string_view method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }
  // Of a route by its place in routes(): it repeats an earlier one under another pattern.
  bool is_alias(std::size_t route) const { return alias_[route]; }

 private:
  std::vector<Route> routes_;
  std::vector<bool> alias_;
};

}  // namespace limpid
