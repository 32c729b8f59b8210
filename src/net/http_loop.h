// HttpLoop: what the connections of one server share. All of it but the counters belongs to the one thread of input and
// output. Outlives the server while an exchange is still in somebody's hands (shared_ptr).
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/http_deadlines.h"
#include "net/http_server.h"
#include "net/http_workers.h"

namespace limpid {

class HttpConnection;

struct HttpCounters {
  std::atomic<std::uint64_t> accepted{0}, refused{0}, requests{0}, timeouts{0}, slow_readers{0}, bad_requests{0};
  std::atomic<std::uint64_t> evicted{0}, shed{0};
  std::atomic<int> connections{0};
};

class HttpLoop : public std::enable_shared_from_this<HttpLoop> {
 public:
  // Without the type-erased executor a socket is smaller and a wait cheaper.
  using Executor = boost::asio::io_context::executor_type;
  using Socket = boost::asio::ip::tcp::socket::rebind_executor<Executor>::other;

  using Place = std::list<std::shared_ptr<HttpConnection>>::iterator;

  HttpLoop(HttpServerOptions given, HttpHandler handles, HttpDoor stands);

  void set_deadline(Deadlines::Entry& entry, Deadlines::Time when);

  // False: too many, in all or from where it comes. Makes room by closing the connection that was idle longest.
  bool may_connect(const std::string& counted_as);
  Place add(std::shared_ptr<HttpConnection> connection, const std::string& counted_as);  // as busy
  void set_idle(Place place, bool idle);  // idle: nothing under way; the connection may be closed for another
  void forget(Place place, bool idle, const std::string& counted_as);
  std::vector<std::shared_ptr<HttpConnection>> connections() const;

  void exchange_begins();
  void exchange_ends();
  bool wait_for_exchanges(double seconds);  // any thread; true: none is left
  int active() const;                       // any thread

  // Of bodies_bytes; given back by whoever holds the body then, from any thread. False: there is no more.
  bool take_body_bytes(std::size_t bytes);
  void give_body_bytes(std::size_t bytes) { body_bytes_ -= bytes; }

  double hold_refusal();  // seconds that the answer waits, then release_refusal(); 0: it goes at once
  void release_refusal() { --held_refusals_; }

  const std::string& date();  // of this second, for the Date header

  const HttpServerOptions options;
  const HttpHandler handler;
  const HttpDoor door;
  boost::asio::io_context context{1};
  Deadlines deadlines;
  HttpWorkers workers, deferred;
  HttpWorkers shakers;  // TLS handshakes: addresses take turns
  HttpCounters counters;
  std::vector<char> scratch;  // every read lands here first: a connection that waits owns no buffer
  bool draining = false;

 private:
  void arm();

  boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                    Executor>
      timer_;
  Deadlines::Time armed_ = Deadlines::kNever;
  std::list<std::shared_ptr<HttpConnection>> idle_, busy_;  // idle_: the longest first
  std::atomic<std::size_t> body_bytes_{0};
  std::map<std::string, int> by_address_;
  Deadlines::Time refusals_since_{};  // of the second that is counted
  int refusals_ = 0, held_refusals_ = 0;
  double spread_ = 0;  // of the next hold, in [0, 1)
  std::time_t dated_ = 0;
  std::string date_;
  mutable std::mutex active_mutex_;
  std::condition_variable active_changed_;
  int active_ = 0;
};

}  // namespace limpid
