// RecordedExchange: an exchange that remembers what was answered, adds the headers that every answer has, and reports
// once, when it is released.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "net/http_server.h"

namespace limpid {

struct ExchangeRecord {
  int status = 0;  // 0: nothing was answered
  std::uint64_t bytes = 0;
  double seconds = 0;
  bool whole = false;
};

class RecordedExchange : public HttpExchange {
 public:
  using Done = std::function<void(const ExchangeRecord&)>;
  RecordedExchange(std::shared_ptr<HttpExchange> inner, HttpFields fields, Done done);
  ~RecordedExchange() override;

  const ServedRequest& request() const override { return inner_->request(); }
  void respond(ServedResponse response) override;
  void begin(int status, HttpFields headers) override;
  bool send(std::string_view bytes) override;
  void end() override;
  void on_close(std::function<void()> gone) override { inner_->on_close(std::move(gone)); }
  bool open() const override { return inner_->open(); }
  void when_sent(std::function<void()> then) override { inner_->when_sent(std::move(then)); }
  bool defer(std::function<void()> job) override { return inner_->defer(std::move(job)); }

  bool answered() const { return status_ != 0; }

 private:
  const std::shared_ptr<HttpExchange> inner_;
  const HttpFields fields_;
  const Done done_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<int> status_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> whole_{false};
};

}  // namespace limpid
