// HttpClient: GET and POST over libcurl, made for fetching models and for asking services. It calls nobody by itself, keeps no cookies, reads no .netrc.
// - `offline` turns every request into an Error before a socket exists.
// - Redirects are followed here, not by libcurl: the bearer token goes to the origin (scheme, host, port) that it
// belongs to and to no other, and
//   a redirect from https to http is refused.
// - Proxies come from the environment, as libcurl reads it (http_proxy, https_proxy, all_proxy, no_proxy); custom
// headers do not go to a proxy.
// - What a network does all day (no route, reset, timeout, a short body) is a return value: HttpResponse::error.
// One thread at a time; connections are kept between requests, so a worker keeps its own client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace limpid {

struct HttpOptions {
  bool offline = false;
  long connect_timeout_s = 20;
  long stall_timeout_s =
      30;  // give up when fewer than one byte a second arrives for so long; there is no limit on the whole transfer
  std::string user_agent = "limpid";
  // Asked several times a second from the thread of the request; true ends it with Error(cancelled).
  std::function<bool()> cancelled;
};

struct HttpRequest {
  std::string url;
  std::map<std::string, std::string> headers = {};
  std::string bearer = "";                  // Authorization: Bearer ..., while the origin is bearer_origin
  std::string bearer_origin = "";           // url_origin() of the service that the token belongs to
  std::optional<std::uint64_t> first = {};  // Range: bytes=first-last, both included
  std::optional<std::uint64_t> last = {};
  int redirects = 8;
  std::optional<std::string> post = {};  // a body: the request is a POST, and a redirect is not followed
};

struct HttpResponse {
  long status = 0;                             // of the last answer; 0: none arrived
  std::map<std::string, std::string> headers;  // names in lower case; of the last answer
  std::map<std::string, std::string>
      first_headers;  // of the first answer: a hub says what a file is before it redirects
  std::string url;    // of the last answer
  std::string body;
  std::string error;  // what broke on the way; empty: the answer is whole

  bool ok() const { return error.empty() && status >= 200 && status < 300; }
  std::string header(const std::string& name) const;  // "" when absent
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The whole body in memory; more than `limit` bytes of it is an error. Throws Error(input) offline or for a bad
  // address, Error(cancelled).
  HttpResponse get(const HttpRequest& request, std::size_t limit = std::size_t{64} << 20);

  // The body of a successful answer goes to `sink` as it arrives; the body of any other answer is kept (its first 64
  // KiB). `accept` sees status and headers first; returning false ends the transfer there, which is no error. What
  // accept or sink throws comes out of stream().
  HttpResponse stream(const HttpRequest& request, const std::function<bool(const HttpResponse&)>& accept,
                      const std::function<void(std::span<const std::byte>)>& sink);

 private:
  struct Handle;
  HttpOptions options_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace limpid
