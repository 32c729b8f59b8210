#include "net/http_connection.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "net/http_channel.h"
#include "net/http_wire.h"

namespace limpid {
namespace {

constexpr std::size_t kSentAhead = 256 * 1024;     // bytes of later requests that are held while one is answered
constexpr std::size_t kFreeBody = 64 * 1024;       // of every body, not counted against bodies_bytes
constexpr std::size_t kLeastAccepted = 16 * 1024;  // in write_seconds
constexpr double kBodyRate = 16 * 1024;            // bytes a second, on the average, after body_seconds
constexpr double kLingerSeconds = 2;               // for a peer that is still sending to see the answer
constexpr std::size_t kJoinedBytes = 64 * 1024;    // what waits to be sent grows to this before another buffer begins
constexpr int kReadsInTurn = 8;                    // then others have theirs

ServedResponse too_many_wait() {
  return error_response(503, "overloaded", "the server is overloaded: too many requests wait", 1);
}

HttpPlace place_of(const HttpLoop& loop, const ServedRequest& request) {
  HttpPlace place;
  try {
    if (loop.door) place = loop.door(request);
  } catch (...) {
  }
  if (place.share.empty()) place.share = request.peer;
  return place;
}

void handle(const HttpHandler& handler, const std::shared_ptr<HttpExchange>& exchange, HttpChannel& channel) {
  try {
    handler(exchange);
  } catch (...) {
    channel.abandon();
  }
}

// One that loses its place to another is told so.
HttpJob job_for(HttpLoop& loop, const HttpPlace& place, std::function<void()> run,
                const std::shared_ptr<HttpChannel>& channel) {
  return {place.rank, place.share, std::move(run), [loop = loop.shared_from_this(), channel] {
            ++loop->counters.shed;
            channel->respond(too_many_wait());
          }};
}

// HttpExchange::defer.
std::function<bool(std::function<void()>)> deferring(HttpLoop& loop, const std::shared_ptr<HttpChannel>& channel,
                                                     const HttpPlace& place) {
  return [loop = loop.shared_from_this(), channel, rank = place.rank, share = place.share](std::function<void()> job) {
    if (loop->deferred.runs_here()) return job(), true;
    auto run = [channel, job = std::move(job)] {
      if (channel->open()) job();
    };
    if (loop->deferred.submit(job_for(*loop, {rank, share, {}}, std::move(run), channel))) return true;
    ++loop->counters.shed;
    return false;
  };
}

Deadlines::Time after(Deadlines::Time start, double seconds) {
  return start + std::chrono::duration_cast<Deadlines::Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

HttpConnection::HttpConnection(HttpLoop& loop, HttpLoop::Socket socket, HttpSocket::Tls tls, std::string peer,
                               std::string counted_as)
    : loop_(loop),
      socket_(std::move(socket)),
      transport_(socket_.native_handle(), std::move(tls)),
      peer_(std::move(peer)),
      counted_as_(std::move(counted_as)) {
  deadline_.late = [this] { guarded(&HttpConnection::late); };
}

void HttpConnection::start(HttpLoop::Place place) {
  place_ = place;
  guarded(&HttpConnection::open);
}

void HttpConnection::open() {
  if (!transport_.tls()) enter(Phase::idle);
  set_deadline(loop_.options.header_seconds);
  wait_read();
}

void HttpConnection::enter(Phase phase) {
  if (phase == phase_) return;
  if (phase == Phase::idle || phase_ == Phase::idle) loop_.set_idle(place_, phase == Phase::idle);
  phase_ = phase;
}

void HttpConnection::drain() {
  if ((phase_ == Phase::idle && !parser_) || phase_ == Phase::handshake) cut();
}

void HttpConnection::cut() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::held) loop_.release_refusal();
  const bool idle = std::exchange(phase_, Phase::closed) == Phase::idle;
  const std::shared_ptr<HttpConnection> self = shared_from_this();
  const std::shared_ptr<HttpChannel> channel = std::exchange(channel_, nullptr);
  loop_.deadlines.remove(deadline_);
  boost::system::error_code ignored;
  if (shaking_)
    socket_.shutdown(HttpLoop::Socket::shutdown_both, ignored);  // shaken() closes it
  else
    socket_.close(ignored);
  out_.clear();
  parser_.reset();
  held_request_.reset();
  loop_.give_body_bytes(std::exchange(held_, 0));
  loop_.forget(place_, idle, counted_as_);
  if (!channel) return;
  channel->close();
  loop_.exchange_ends();
}

void HttpConnection::guarded(Step step) {
  if (phase_ == Phase::closed) return;
  const std::shared_ptr<HttpConnection> self = shared_from_this();
  try {
    (this->*step)();
  } catch (...) {
    cut();
  }
}

void HttpConnection::post(Step step) {
  boost::asio::post(loop_.context, [self = shared_from_this(), step] { self->guarded(step); });
}

void HttpConnection::wait_read() {
  if (read_waits_ || phase_ == Phase::closed) return;
  read_waits_ = true;
  socket_.async_wait(HttpLoop::Socket::wait_read, [self = shared_from_this()](const boost::system::error_code&) {
    self->read_waits_ = false;
    self->guarded(&HttpConnection::readable);
  });
}

void HttpConnection::wait_write() {
  if (write_waits_ || phase_ == Phase::closed) return;
  write_waits_ = true;
  socket_.async_wait(HttpLoop::Socket::wait_write, [self = shared_from_this()](const boost::system::error_code&) {
    self->write_waits_ = false;
    self->guarded(&HttpConnection::writable);
  });
}

void HttpConnection::set_deadline(double seconds) {
  loop_.set_deadline(deadline_, after(Deadlines::Clock::now(), seconds));
}

void HttpConnection::late() {
  switch (phase_) {
    case Phase::head:
    case Phase::body:
      ++loop_.counters.timeouts;
      return answer_now(error_response(408, "request_timeout", "the request did not arrive in time"), false);
    case Phase::held:
      return answer_held();
    case Phase::handshake:
      ++loop_.counters.timeouts;
      return cut();
    case Phase::answering:
      ++loop_.counters.slow_readers;
      return cut();
    default:
      return cut();
  }
}

void HttpConnection::writable() {
  if (phase_ != Phase::handshake) write_out();
  if (!read_waits_ && phase_ != Phase::closed) readable();  // TLS had to write before it could read
}

void HttpConnection::shake() {
  if (shaking_) return;
  shaking_ = true;
  const bool accepted =
      loop_.shakers.submit({1, counted_as_,
                            [self = shared_from_this(), loop = loop_.shared_from_this()] {
                              const HttpSocket::Outcome outcome = self->transport_.handshake().outcome;
                              boost::asio::post(loop->context, [self, outcome] { self->shaken(outcome); });
                            },
                            [self = shared_from_this()] { self->shaken(HttpSocket::Outcome::closed); }});
  if (!accepted) shaken(HttpSocket::Outcome::closed);
}

void HttpConnection::shaken(HttpSocket::Outcome outcome) {
  using Outcome = HttpSocket::Outcome;
  shaking_ = false;
  boost::system::error_code ignored;
  if (phase_ == Phase::closed) return (void)socket_.close(ignored);
  if (outcome == Outcome::wait_read) return guarded(&HttpConnection::wait_read);
  if (outcome == Outcome::wait_write) return guarded(&HttpConnection::wait_write);
  if (outcome == Outcome::closed) return cut();
  enter(Phase::idle);
  set_deadline(loop_.options.header_seconds);
  guarded(&HttpConnection::readable);
}

void HttpConnection::readable() {
  using Outcome = HttpSocket::Outcome;
  if (phase_ == Phase::handshake) return shake();
  if (!out_.empty() && !write_waits_) write_out();  // TLS may have had to read before it could write
  if (phase_ == Phase::closed) return;
  for (int turn = 0; turn < kReadsInTurn; ++turn) {
    const HttpSocket::Result read =
        phase_ == Phase::lingering ? transport_.discard(loop_.scratch) : transport_.read(loop_.scratch);
    if (read.outcome == Outcome::closed) return cut();
    if (read.outcome == Outcome::wait_write) return wait_write();
    if (read.outcome == Outcome::wait_read) return wait_read();
    received(read.bytes);
    if (phase_ == Phase::closed) return;
    if (!transport_.pending() && read.bytes < loop_.scratch.size()) return wait_read();
  }
  post(&HttpConnection::readable);
}

void HttpConnection::received(std::size_t bytes) {
  if (phase_ == Phase::lingering) return;
  if (!parser_) {
    parser_ = std::make_unique<HttpRequestParser>(
        HttpRequestLimits{.header_bytes = loop_.options.header_bytes, .body_bytes = loop_.options.body_bytes});
  }
  parser_->feed({loop_.scratch.data(), bytes});
  if (phase_ != Phase::answering && phase_ != Phase::held) return advance();
  if (parser_->buffered() <= kSentAhead) return;
  ++loop_.counters.bad_requests;  // left in the kernel it would hide that the peer goes away
  cut();
}

void HttpConnection::advance() {
  switch (parser_->stage()) {
    case HttpRequestParser::Stage::head:
      if (phase_ != Phase::idle) return;
      enter(Phase::head);
      return set_deadline(loop_.options.header_seconds);
    case HttpRequestParser::Stage::body: {
      if (!hold_body()) return;
      if (phase_ != Phase::body) {
        if (!may_send_body()) return;
        enter(Phase::body);
        began_ = Deadlines::Clock::now();
        if (parser_->awaits_continue()) {
          queue("HTTP/1.1 100 Continue\r\n\r\n");
          write_out();
          if (phase_ == Phase::closed) return;
        }
      }
      const double earned = static_cast<double>(parser_->body_received()) / kBodyRate;
      return loop_.set_deadline(deadline_, after(began_, loop_.options.body_seconds + earned));
    }
    case HttpRequestParser::Stage::done:
      return hold_body() ? begin_exchange() : void();
    case HttpRequestParser::Stage::fault:
      return refuse(parser_->fault());
  }
}

// False: all that bodies may take is taken; the peer was told so.
bool HttpConnection::hold_body() {
  const std::size_t size = parser_->body_received();
  const std::size_t counted = size > kFreeBody ? size - kFreeBody : 0;
  if (counted <= held_) return true;
  if (loop_.take_body_bytes(counted - held_)) return held_ = counted, true;
  answer_now(error_response(503, "overloaded", "the server is overloaded: too many large requests", 5), false);
  return false;
}

// Whoever will be refused anyway need not send a long body first. False: he was told.
bool HttpConnection::may_send_body() {
  if (!loop_.door) return true;
  ServedRequest head = parser_->head();
  const std::string_view length = head.header("Content-Length");  // digits: the parser has checked; empty: chunked
  if (length.size() < std::to_string(kFreeBody).size() && !length.empty()) return true;
  head.body.clear();
  head.peer = peer_;
  head.tls = transport_.tls();
  const HttpPlace place = place_of(loop_, head);
  if (!place.instead) return true;
  const auto channel = std::make_shared<HttpChannel>(loop_.options.unsent_bytes, false, [] {});
  handle(place.instead, make_exchange(channel, std::move(head), [](const std::function<void()>&) { return false; }, {}),
         *channel);
  HttpChannel::Ready ready = channel->take();
  answer_now(ready.head && !ready.streamed ? std::move(*ready.head) : too_many_wait(), false);
  return false;
}

// With a request that came ahead: by way of the loop, so that others have their turn.
void HttpConnection::resume() {
  if (phase_ == Phase::idle && parser_) advance();
}

void HttpConnection::refuse(const HttpFault& fault) {
  ++loop_.counters.bad_requests;
  answer_now(error_response(fault.status, fault.code, fault.message), false);
}

void HttpConnection::begin_exchange() {
  ++loop_.counters.requests;
  loop_.set_deadline(deadline_, Deadlines::kNever);
  enter(Phase::answering);
  keep_alive_ = parser_->keep_alive();
  http_1_0_ = parser_->http_1_0();
  ServedRequest request = parser_->take();
  head_request_ = request.method == "HEAD";
  request.peer = peer_;
  request.tls = transport_.tls();
  if (loop_.draining) return answer_now(error_response(503, "shutting_down", "the server is shutting down", 5), false);
  HttpPlace place = place_of(loop_, request);
  const double hold = place.instead ? loop_.hold_refusal() : 0;
  if (hold <= 0) return begin_exchange_at(place, std::move(request));
  held_request_ = std::make_unique<Held>(Held{std::move(place), std::move(request)});
  enter(Phase::held);
  set_deadline(hold);
}

void HttpConnection::answer_held() {
  loop_.release_refusal();
  const std::unique_ptr<Held> held = std::move(held_request_);
  begin_exchange_at(held->place, std::move(held->request));
}

void HttpConnection::begin_exchange_at(const HttpPlace& place, ServedRequest request) {
  enter(Phase::answering);
  channel_ = std::make_shared<HttpChannel>(loop_.options.unsent_bytes, head_request_,
                                           [loop = loop_.shared_from_this(), weak = weak_from_this()] {
                                             boost::asio::post(loop->context, [weak] {
                                               if (const auto self = weak.lock())
                                                 self->guarded(&HttpConnection::answer_ready);
                                             });
                                           });
  loop_.exchange_begins();
  const bool large = request.body.size() > kFreeBody;
  std::shared_ptr<HttpExchange> exchange =
      make_exchange(channel_, std::move(request), deferring(loop_, channel_, place),
                    [loop = loop_.shared_from_this(), held = std::exchange(held_, 0)] { loop->give_body_bytes(held); });
  if (place.instead) return handle(place.instead, exchange, *channel_);
  const bool accepted = (large ? loop_.deferred : loop_.workers)
                            .submit(job_for(
                                loop_, place,
                                [&loop = loop_, exchange, channel = channel_] {
                                  if (exchange->open())
                                    handle(loop.handler, exchange, *channel);  // else it waits for nobody
                                },
                                channel_));
  if (accepted) return;
  ++loop_.counters.shed;
  std::exchange(channel_, nullptr)->close();
  loop_.exchange_ends();
  answer_now(too_many_wait(), keep_alive_);
}

void HttpConnection::answer_ready() {
  if (!channel_) return;  // of an exchange that has ended
  HttpChannel::Ready ready = channel_->take();
  if (ready.cut) {
    if (ready.slow) ++loop_.counters.slow_readers;
    return cut();
  }
  if (ready.head) {
    keep_alive_ = keep_alive_ && !loop_.draining;
    if (ready.streamed) {
      queue_head(*ready.head, std::nullopt);
    } else {
      queue_response(std::move(*ready.head));
    }
  }
  if (ready.streamed) queue_streamed(std::move(ready.bytes), ready.whole);
  answer_whole_ = answer_whole_ || ready.whole;
  write_out();
}

void HttpConnection::answer_now(ServedResponse response, bool keep_alive) {
  if (phase_ != Phase::answering) {  // the request was not read to its end
    http_1_0_ = parser_->http_1_0();
    head_request_ = false;
    loop_.set_deadline(deadline_, Deadlines::kNever);
    enter(Phase::answering);
  }
  keep_alive_ = keep_alive;
  queue_response(std::move(response));
  answer_whole_ = true;
  write_out();
}

void HttpConnection::queue_response(ServedResponse response) {
  if (bodiless(response.status)) return queue_head(response, std::nullopt);
  queue_head(response, response.body.size());
  if (!head_request_) queue(std::move(response.body));
}

// `length`: of the body; none: a streamed body, or none at all.
void HttpConnection::queue_head(const ServedResponse& response, std::optional<std::size_t> length) {
  const bool streamed = !length && !bodiless(response.status);
  if (streamed && http_1_0_) keep_alive_ = false;  // its end is the connection's
  queue(response_head({.status = response.status,
                       .headers = response.headers,
                       .length = length,
                       .chunked = streamed && !http_1_0_,
                       .keep_alive = keep_alive_,
                       .http_1_0 = http_1_0_,
                       .date = loop_.date()}));
  framing_ = !streamed || head_request_ ? Framing::dropped : http_1_0_ ? Framing::until_close : Framing::chunked;
}

void HttpConnection::queue_streamed(std::string bytes, bool whole) {
  if (framing_ == Framing::dropped) return;
  if (framing_ == Framing::until_close) return queue(std::move(bytes));
  std::string framed;
  append_chunk(framed, bytes);
  if (whole) framed += kLastChunk;
  queue(std::move(framed));
}

// Small pieces join, so that many of them wait as few.
void HttpConnection::queue(std::string bytes) {
  if (bytes.empty()) return;
  if (!out_.empty() && out_.back().size() < kJoinedBytes) {
    out_.back() += bytes;
  } else {
    out_.push_back(std::move(bytes));
  }
}

void HttpConnection::write_out() {
  using Outcome = HttpSocket::Outcome;
  while (!out_.empty()) {
    const HttpSocket::Result written = transport_.write(std::string_view(out_.front()).substr(sent_));
    if (written.outcome == Outcome::closed) return cut();
    if (written.outcome != Outcome::done) {
      if (phase_ == Phase::answering && deadline_.when == Deadlines::kNever) set_deadline(loop_.options.write_seconds);
      report_unsent();
      return written.outcome == Outcome::wait_write ? wait_write() : wait_read();
    }
    wrote(written.bytes);
  }
  report_unsent();
  accepted_ = 0;
  if (phase_ == Phase::answering) loop_.set_deadline(deadline_, Deadlines::kNever);
  if (answer_whole_) answer_done();
}

void HttpConnection::wrote(std::size_t bytes) {
  sent_ += bytes;
  if (sent_ == out_.front().size()) {
    out_.erase(out_.begin());
    sent_ = 0;
  }
  accepted_ += bytes;
  if (phase_ != Phase::answering || accepted_ < kLeastAccepted) return;
  accepted_ = 0;
  set_deadline(loop_.options.write_seconds);
}

void HttpConnection::report_unsent() {
  if (!channel_) return;
  std::size_t bytes = 0;
  for (const std::string& each : out_) bytes += each.size();
  channel_->set_in_flight(bytes - sent_);
}

void HttpConnection::answer_done() {
  answer_whole_ = false;
  if (const std::shared_ptr<HttpChannel> channel = std::exchange(channel_, nullptr)) {
    channel->close();
    loop_.exchange_ends();
  }
  if (!keep_alive_ || loop_.draining) return linger();
  loop_.give_body_bytes(std::exchange(held_, 0));
  enter(Phase::idle);
  set_deadline(loop_.options.idle_seconds);
  if (parser_->buffered() > 0) {
    parser_->next();
    post(&HttpConnection::resume);
  } else {
    parser_.reset();
  }
  wait_read();
}

void HttpConnection::linger() {
  enter(Phase::lingering);
  loop_.give_body_bytes(std::exchange(held_, 0));
  parser_.reset();
  out_ = {};
  transport_.finish();
  set_deadline(kLingerSeconds);
  wait_read();
}

}  // namespace limpid
