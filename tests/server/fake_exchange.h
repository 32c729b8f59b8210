// An exchange without a network: what a handler answers lands here, and a test can be the peer that goes away.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace limpid {

class FakeExchange : public HttpExchange {
 public:
  explicit FakeExchange(ServedRequest request) : request_(std::move(request)) {}

  const ServedRequest& request() const override { return request_; }
  void respond(ServedResponse response) override {
    std::lock_guard lock(mutex_);
    status_ = response.status;
    headers_ = std::move(response.headers);
    body_ = std::move(response.body);
    ended_ = true;
    changed_.notify_all();
  }
  void begin(int status, HttpFields headers) override {
    std::lock_guard lock(mutex_);
    status_ = status;
    headers_ = std::move(headers);
    changed_.notify_all();
  }
  bool send(std::string_view bytes) override {
    std::lock_guard lock(mutex_);
    if (!open_) return false;
    body_ += bytes;
    changed_.notify_all();
    return true;
  }
  void end() override {
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  void on_close(std::function<void()> gone) override {
    {
      std::lock_guard lock(mutex_);
      if (open_) {
        gone_ = std::move(gone);
        return;
      }
    }
    gone();
  }
  bool open() const override {
    std::lock_guard lock(mutex_);
    return open_;
  }

  // --- The peer ---
  void leave() {
    std::function<void()> gone;
    {
      std::lock_guard lock(mutex_);
      open_ = false;
      gone = std::move(gone_);
    }
    if (gone) gone();
  }
  // Waits until the answer is whole, or the body holds `text`. False: it took longer than 30 seconds.
  bool wait() {
    return wait_for([this] { return ended_; });
  }
  bool wait_for_text(std::string_view text) {
    return wait_for([&] { return body_.find(text) != std::string::npos || ended_; });
  }
  int status() const { return locked(status_); }
  std::string body() const { return locked(body_); }
  bool ended() const { return locked(ended_); }
  std::string header(std::string_view name) const {
    std::lock_guard lock(mutex_);
    for (const auto& [key, value] : headers_)
      if (key == name) return value;
    return {};
  }

 private:
  template <typename T>
  T locked(const T& value) const {
    std::lock_guard lock(mutex_);
    return value;
  }
  template <typename Predicate>
  bool wait_for(Predicate&& predicate) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), predicate);
  }

  const ServedRequest request_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;
  HttpFields headers_;
  std::string body_;
  bool ended_ = false, open_ = true;
  std::function<void()> gone_;
};

}  // namespace limpid
