// HttpConnection: one peer, request after request. Lives in the loop's registry and in the thread of input and output;
// every public call comes from there.
//
//   (handshake) -> idle -> head -> body -> (held) -> answering -> idle ...
//                            any of them -> lingering (the last answer is sent, what still comes is dropped) -> closed
//
// A handshake computes: it runs on a thread of its own (HttpLoop::shakers), and meanwhile nothing here touches the
// session, nor closes the descriptor under it.
//
// While an answer is made the connection keeps reading, so that it notices when the peer goes away; what a peer sends
// ahead waits in the parser; who sends more ahead than fits there is cut.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_deadlines.h"
#include "net/http_loop.h"
#include "net/http_request_parser.h"
#include "net/http_socket.h"

namespace limpid {

class HttpChannel;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // `counted_as`: the address as the cap by address sees it. `tls`: a session that has not shaken hands, or null.
  HttpConnection(HttpLoop& loop, HttpLoop::Socket socket, HttpSocket::Tls tls, std::string peer,
                 std::string counted_as);

  void start(HttpLoop::Place place);  // after it was added to the loop
  void drain();                       // closes where nothing is under way
  void cut();                         // closes at once; whoever answers is told

 private:
  enum class Phase { handshake, idle, head, body, held, answering, lingering, closed };
  enum class Framing { dropped, chunked, until_close };  // of the bytes that are streamed
  using Step = void (HttpConnection::*)();

  void guarded(Step step);  // what a step throws (memory) ends this connection, not the thread
  void post(Step step);
  void wait_read();
  void wait_write();
  void enter(Phase phase);
  void set_deadline(double seconds);
  void late();

  void open();
  void shake();
  void shaken(HttpSocket::Outcome outcome);
  void readable();
  void writable();
  void received(std::size_t bytes);
  void advance();
  void resume();
  void begin_exchange();
  void begin_exchange_at(const HttpPlace& place, ServedRequest request);
  void answer_held();
  bool hold_body();
  bool may_send_body();
  void refuse(const HttpFault& fault);

  void answer_ready();
  void answer_now(ServedResponse response, bool keep_alive);
  void queue_response(ServedResponse response);
  void queue_streamed(std::string bytes, bool whole);
  void queue(std::string bytes);
  void queue_head(const ServedResponse& response, std::optional<std::size_t> length);
  void write_out();
  void wrote(std::size_t bytes);
  void report_unsent();
  void answer_done();
  void linger();

  HttpLoop& loop_;
  HttpLoop::Socket socket_;
  HttpSocket transport_;
  const std::string peer_, counted_as_;
  HttpLoop::Place place_;
  Phase phase_ = Phase::handshake;
  Deadlines::Entry deadline_;
  Deadlines::Time began_;  // the body
  std::size_t held_ = 0;   // taken of bodies_bytes for the request that arrives

  std::unique_ptr<HttpRequestParser> parser_;  // none while idle
  struct Held {
    HttpPlace place;
    ServedRequest request;
  };
  std::unique_ptr<Held> held_request_;    // phase held: its refusal waits
  std::shared_ptr<HttpChannel> channel_;  // of the request that is being answered
  bool head_request_ = false, http_1_0_ = false, keep_alive_ = false;
  Framing framing_ = Framing::dropped;

  std::vector<std::string> out_;  // what is to be sent, in order
  std::size_t sent_ = 0;          // of out_.front()
  std::size_t accepted_ = 0;      // by the peer, since its time for the next 16 KiB began
  bool answer_whole_ = false;     // nothing follows out_
  bool read_waits_ = false, write_waits_ = false;
  bool shaking_ = false;
};

}  // namespace limpid
