// HttpChannel: what lies between whoever answers a request (a worker, the engine's thread) and the connection, which
// lives in the thread of input and output. Answers are queued here under a mutex that nobody holds for long; the
// connection is woken once for all that was queued before it came to take it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace limpid {

class HttpChannel {
 public:
  // `wake`: asks the connection to take(), from any thread. unsent_bytes: HttpServerOptions. `bodiless`: what is sent
  // is dropped (the answer to HEAD).
  HttpChannel(std::size_t unsent_bytes, bool bodiless, std::function<void()> wake);

  // Any thread: as in HttpExchange. The first answer stands; what comes after it is dropped.
  void respond(ServedResponse response);
  void begin(int status, HttpFields headers);
  bool send(std::string_view bytes);
  void end();
  void on_close(std::function<void()> gone);
  bool open() const;
  void when_sent(std::function<void()> then);
  void abandon();  // nobody will answer any more: 500, or where an answer had begun, the connection is cut

  // The thread of input and output.
  struct Ready {
    std::optional<ServedResponse> head;  // the first time only; with its body unless `streamed`
    bool streamed = false;
    std::string bytes;   // of a streamed body, unframed
    bool whole = false;  // nothing follows
    bool cut = false;    // the peer read too slowly, or the answer broke off
    bool slow = false;   // cut for the former
  };
  Ready take();
  void set_in_flight(std::size_t bytes);  // taken and not yet accepted by the peer
  void close();                           // the connection has ended, or the answer is whole and sent

 private:
  enum class Answer { none, streaming, whole };
  void wake_once(std::unique_lock<std::mutex> lock);  // unlocks

  const std::size_t unsent_bytes_;
  const bool bodiless_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  Ready ready_;  // .streamed stays
  Answer answer_ = Answer::none;
  std::size_t in_flight_ = 0;
  bool woken_ = false;
  bool gone_ = false;
  std::function<void()> on_close_, when_sent_;
};

// The handler's end: keeps the request; released without an answer, it abandons the channel. `released` is called then.
// `defer`: HttpExchange::defer.
std::shared_ptr<HttpExchange> make_exchange(std::shared_ptr<HttpChannel> channel, ServedRequest request,
                                            std::function<bool(std::function<void()>)> defer,
                                            std::function<void()> released);

}  // namespace limpid
