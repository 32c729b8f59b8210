#include "net/http_channel.h"

#include <utility>

#include "net/http_wire.h"

namespace limpid {
namespace {

class Exchange final : public HttpExchange {
 public:
  Exchange(std::shared_ptr<HttpChannel> channel, ServedRequest request,
           std::function<bool(std::function<void()>)> defer, std::function<void()> released)
      : channel_(std::move(channel)),
        request_(std::move(request)),
        defer_(std::move(defer)),
        released_(std::move(released)) {}
  ~Exchange() override {
    channel_->abandon();
    if (released_) released_();
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const ServedRequest& request() const override { return request_; }
  void respond(ServedResponse response) override { channel_->respond(std::move(response)); }
  void begin(int status, HttpFields headers) override { channel_->begin(status, std::move(headers)); }
  bool send(std::string_view bytes) override { return channel_->send(bytes); }
  void end() override { channel_->end(); }
  void on_close(std::function<void()> gone) override { channel_->on_close(std::move(gone)); }
  bool open() const override { return channel_->open(); }
  void when_sent(std::function<void()> then) override { channel_->when_sent(std::move(then)); }
  bool defer(std::function<void()> job) override { return defer_(std::move(job)); }

 private:
  const std::shared_ptr<HttpChannel> channel_;
  const ServedRequest request_;
  const std::function<bool(std::function<void()>)> defer_;
  const std::function<void()> released_;
};

}  // namespace

std::shared_ptr<HttpExchange> make_exchange(std::shared_ptr<HttpChannel> channel, ServedRequest request,
                                            std::function<bool(std::function<void()>)> defer,
                                            std::function<void()> released) {
  return std::make_shared<Exchange>(std::move(channel), std::move(request), std::move(defer), std::move(released));
}

HttpChannel::HttpChannel(std::size_t unsent_bytes, bool bodiless, std::function<void()> wake)
    : unsent_bytes_(unsent_bytes), bodiless_(bodiless), wake_(std::move(wake)) {}

void HttpChannel::wake_once(std::unique_lock<std::mutex> lock) {
  const bool first = !std::exchange(woken_, true);
  lock.unlock();
  if (first) wake_();
}

void HttpChannel::respond(ServedResponse response) {
  std::function<void()> released;  // what it holds may end here, outside the lock
  std::unique_lock lock(mutex_);
  if (gone_ || answer_ != Answer::none) return;
  answer_ = Answer::whole;
  ready_.head = std::move(response);
  ready_.whole = true;
  released = std::exchange(on_close_, nullptr);
  wake_once(std::move(lock));
}

void HttpChannel::begin(int status, HttpFields headers) {
  std::unique_lock lock(mutex_);
  if (gone_ || answer_ != Answer::none) return;
  answer_ = Answer::streaming;
  ready_.head = ServedResponse{status, std::move(headers), {}};
  ready_.streamed = true;
  wake_once(std::move(lock));
}

bool HttpChannel::send(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (gone_ || answer_ != Answer::streaming) return false;
  if (ready_.cut) return false;
  if (bodiless_ || bytes.empty()) return true;
  if (in_flight_ + ready_.bytes.size() + bytes.size() > unsent_bytes_) {
    ready_.cut = ready_.slow = true;
    ready_.bytes = {};
    wake_once(std::move(lock));
    return false;
  }
  ready_.bytes += bytes;
  wake_once(std::move(lock));
  return true;
}

void HttpChannel::end() {
  std::function<void()> released;
  std::unique_lock lock(mutex_);
  if (gone_ || answer_ != Answer::streaming) return;
  answer_ = Answer::whole;
  ready_.whole = true;
  if (!ready_.cut) released = std::exchange(on_close_, nullptr);
  wake_once(std::move(lock));
}

void HttpChannel::on_close(std::function<void()> gone) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      if (answer_ != Answer::whole) std::swap(on_close_, gone);  // the one it replaces ends outside the lock
      return;
    }
    if (answer_ == Answer::whole) return;
  }
  if (gone) gone();
}

bool HttpChannel::open() const {
  const std::lock_guard lock(mutex_);
  return !gone_ && !ready_.cut;
}

void HttpChannel::abandon() {
  std::unique_lock lock(mutex_);
  if (gone_ || answer_ == Answer::whole) return;
  if (answer_ == Answer::none) {
    lock.unlock();
    return respond(error_response(500, "internal_error", "the server failed to answer this request"));
  }
  answer_ = Answer::whole;
  ready_.cut = true;
  wake_once(std::move(lock));
}

HttpChannel::Ready HttpChannel::take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  Ready taken = std::move(ready_);
  ready_ = Ready{};
  ready_.streamed = taken.streamed;
  ready_.cut = taken.cut;
  in_flight_ += taken.bytes.size();
  return taken;
}

void HttpChannel::set_in_flight(std::size_t bytes) {
  std::function<void()> then;
  {
    const std::lock_guard lock(mutex_);
    in_flight_ = bytes;
    if (in_flight_ == 0 && ready_.bytes.empty()) then = std::exchange(when_sent_, nullptr);
  }
  if (then) then();
}

void HttpChannel::when_sent(std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || ready_.cut || answer_ == Answer::whole) return;
    if (in_flight_ > 0 || !ready_.bytes.empty()) {
      when_sent_ = std::move(then);
      return;
    }
  }
  then();
}

void HttpChannel::close() {
  std::function<void()> gone, then;
  bool tell = false;
  Ready dropped;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(gone_, true)) return;
    tell = answer_ != Answer::whole || ready_.cut;
    gone = std::exchange(on_close_, nullptr);
    then = std::exchange(when_sent_, nullptr);  // what it holds may end here, outside the lock
    std::swap(dropped, ready_);
  }
  if (!tell || !gone) return;
  try {
    gone();
  } catch (...) {  // the handler's own affair; the thread of input and output goes on
  }
}

}  // namespace limpid
