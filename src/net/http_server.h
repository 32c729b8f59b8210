// HttpServer: HTTP/1.1 over Boost.Beast for one process that also computes: it admits before it works, bounds
// everything, and never lets one peer hold up another.
//
// One thread does all input and output; a few workers call the handler, which may block (a database, a template, a
// model being loaded) and answers through the exchange at once or later, from any thread: a stream that lasts minutes
// holds no worker. What takes long to compute has threads of its own. Who is entitled to a worker first, the door says
// (HttpDoor), which sees a request's head before anything of it is computed.
// Every queue is bounded: connections (in all and by address), requests that wait for a worker, bytes that wait for a
// slow reader. What is over a limit is answered (503 with Retry-After, 413, 431, 408, 400) where the peer can still
// read, and cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limpid {

using HttpFields = std::vector<std::pair<std::string, std::string>>;  // names as they came; compared without case

// A request as it came, whole. (HttpRequest is the client's, net/http_client.h.)
struct ServedRequest {
  std::string method;  // "GET"
  std::string path;    // before '?', percent-decoded, normalised (net/http_target.h); "OPTIONS *" comes as "/"
  std::string query;   // after '?', as it came
  HttpFields headers;
  std::string body;
  std::string peer;  // the address, "127.0.0.1"
  bool tls = false;

  std::string_view header(std::string_view name) const;  // the first of that name; empty: none
};

struct ServedResponse {
  int status = 200;
  HttpFields headers;  // Content-Length, Connection and Date are the server's
  std::string body;
};

// One request and its answer. From any thread. Either respond(), or begin(), send()*, end(); the first answer stands,
// what comes after it is dropped. Released without an answer, or when the handler throws: the peer gets 500; after
// begin(), it is cut, so that half an answer never looks whole. HEAD is answered like GET: the body is left out here.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual const ServedRequest& request() const = 0;

  virtual void respond(ServedResponse response) = 0;

  virtual void begin(int status, HttpFields headers) = 0;  // a chunked body follows
  // Queues bytes; never blocks. False: the peer is gone, or read so slowly that it was cut; nothing more will arrive.
  virtual bool send(std::string_view bytes) = 0;
  virtual void end() = 0;

  // Called once, from the thread of input and output, when the peer goes away before the answer is whole (a peer that
  // ends its sending side counts as gone); at once, from the calling thread, where it has already gone. Quick, no
  // blocking; may use this exchange. Released with the answer. A second callback takes the place of the first.
  virtual void on_close(std::function<void()> gone) = 0;
  virtual bool open() const = 0;

  // Calls `then` once, when the peer has accepted all that was sent so far: here where it has, else from the thread of
  // input and output. Quick, no blocking: it is for asking for more to be made (defer). Dropped where the peer goes away.
  virtual void when_sent(std::function<void()> then) { then(); }

  // Runs what takes long (a grammar to compile, a long text to tokenize) on the threads for that, behind what waits
  // there, in the order of the request's place; here and now where the caller is one of them, or there are none. False:
  // no place is free. A job that waits is released without being run where it loses its place or the peer goes away.
  virtual bool defer(std::function<void()> job) {
    job();
    return true;
  }
};

using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;

// Where a request waits for a worker (http_workers.h).
struct HttpPlace {
  int rank = 1;         // larger goes first; one worker of several is kept for those above 0
  std::string share;    // within a rank the shares take turns; empty: the peer's address
  HttpHandler instead;  // answers at once, instead of the handler, from the thread of input and output
};
// Told from the head (the body may not have come yet), by the thread of input and output: memory only, no waiting.
// Nothing it throws counts: then the place is the default.
using HttpDoor = std::function<HttpPlace(const ServedRequest&)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;        // 0: any that is free
  std::string certificate, key;  // PEM files; both or neither: TLS
  int workers = 4;
  int connections = 8192, connections_by_address = 8192;
  // For a worker. Requests with bodies beyond 64 KiB and what is deferred (HttpExchange::defer) have threads of their
  // own, half as many as workers, and a quarter as many places: what takes long holds up no small request.
  int waiting_requests = 512;
  int worker_nice = 0;  // of workers and those threads, but the ones that are kept for ranks above 0
  // Of HttpPlace::instead: so many a second at once; those beyond after one to two `refusal_hold` seconds, so that who asks again
  // and again does it no faster than that. No more than half of the connections are held so.
  int refusals_at_once = 100;
  double refusal_hold = 1;
  std::size_t header_bytes = 64 * 1024;
  std::size_t body_bytes = std::size_t{32} << 20;
  // For the bodies of all requests together, until their exchanges are released; what a body has beyond 64 KiB counts,
  // so that large bodies shut out no small ones. Beyond: 503. Never less than body_bytes.
  std::size_t bodies_bytes = std::size_t{512} << 20;
  std::size_t unsent_bytes = std::size_t{4} << 20;  // queued for one peer; beyond: cut
  double header_seconds = 10;                       // from the first byte of a request to the end of its headers
  double body_seconds = 60;                         // for a whole body, and 16 KiB/s after that
  double idle_seconds = 75;                         // between requests of a connection
  double write_seconds = 30;                        // for the peer to accept 16 KiB, or the less that is queued for it
};

// Since the start. timeouts: of handshakes, heads and bodies. slow_readers: cut for unsent_bytes or write_seconds.
// refused: connections over a cap; evicted: idle ones that were closed to make room; shed: requests that found or kept no
// place to wait for a worker. bad_requests: answered 4xx by the server itself, or cut for what they sent.
struct HttpServerStatistics {
  std::uint64_t accepted = 0, refused = 0, evicted = 0, requests = 0, timeouts = 0, slow_readers = 0, bad_requests = 0;
  std::uint64_t shed = 0;
  int connections = 0, waiting = 0, active = 0;  // active: exchanges without a whole answer
};

class HttpServer {
 public:
  // Binds and listens. Throws Error(system) naming address and port, Error(input) for a certificate that does not load.
  HttpServer(HttpServerOptions options, HttpHandler handler, HttpDoor door = {});
  ~HttpServer();  // stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();  // returns; threads of its own serve
  std::uint16_t port() const;
  // No new connections and requests; those that run may end. Returns when all have, or after `seconds`: false.
  bool drain(double seconds);
  void stop();                // cuts what is left, joins the threads
  void reload_certificate();  // for new connections. Throws Error(input): the old one stays
  HttpServerStatistics statistics() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace limpid
