// HttpRequestParser: bytes in, one checked request after another out. No sockets: what a connection feeds it, a fuzzer
// can. Framing is Boost.Beast's; what is ambiguous (two lengths, a length beside chunks, a transfer coding other than
// chunked, no or two Hosts) is refused, so that no proxy in front reads another request than we do.
//
// Never holds more than header_bytes + body_bytes + the piece last fed (and what was fed after the request was whole).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace limpid {

// Why a request is refused: the peer gets it as an error body and the connection ends.
struct HttpFault {
  int status = 400;
  std::string code;     // "bad_request"
  std::string message;  // for the person who reads it; nothing of the request is repeated in it
};

struct HttpRequestLimits {
  std::size_t header_bytes = 64 * 1024;
  std::size_t body_bytes = std::size_t{32} << 20;
  std::size_t target_bytes = 8 * 1024;
  std::size_t fields = 128;
};

class HttpRequestParser {
 public:
  enum class Stage {
    head,   // the head is not whole
    body,   // the body is not whole
    done,   // take() it
    fault,  // fault() says why; nothing more is read
  };

  explicit HttpRequestParser(HttpRequestLimits limits);
  ~HttpRequestParser();
  HttpRequestParser(const HttpRequestParser&) = delete;
  HttpRequestParser& operator=(const HttpRequestParser&) = delete;

  // Reads as far as the current request goes; what follows it waits for next().
  Stage feed(std::string_view bytes);
  Stage stage() const;
  const HttpFault& fault() const;

  // In stage body: the peer waits for "100 Continue" and has sent nothing of the body yet.
  bool awaits_continue() const;
  std::size_t body_received() const;
  std::size_t buffered() const;  // bytes fed and not yet read: of the next requests, once this one is done

  // Of a request that is done (or of the head, at a fault, as far as it was read).
  bool keep_alive() const;  // by version and Connection
  bool http_1_0() const;

  const ServedRequest& head() const;  // from stage body on: whole but for its body, peer and tls
  ServedRequest take();               // method, path, query, headers, body; once
  Stage next();                       // forgets the request that was done and begins with what waits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace limpid
