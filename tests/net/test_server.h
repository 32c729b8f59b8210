// An HTTP server on the loopback for tests: one handler, one thread per connection, and the faults that networks have.
// Beast parses the request; the answer is written by hand so that it can lie about its length, stop in the middle or
// come late.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace limpid::test {

struct Request {
  std::string method, target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body = "";

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

struct Reply {
  int status = 200;
  std::map<std::string, std::string> headers = {};
  std::string body = "";
  std::optional<std::size_t> cut_after = {};       // bytes of the body, then the connection closes
  std::optional<std::size_t> claimed_length = {};  // Content-Length, when it is not the body's
  bool reset = false;                              // no answer at all
  std::chrono::milliseconds before{0};             // waits so long before the first byte
  std::chrono::milliseconds per_block{0};          // waits so long between blocks of 64 KiB
};

class TestServer {
 public:
  using Handler = std::function<Reply(const Request&)>;

  explicit TestServer(Handler handler)
      : handler_(std::move(handler)),
        acceptor_(io_, boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)),
        thread_([this] { accept(); }) {}

  ~TestServer() {
    stop_ = true;
    boost::system::error_code error;
    boost::asio::ip::tcp::socket poke(io_);  // wakes accept()
    poke.connect(acceptor_.local_endpoint(), error);
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);  // wakes the threads that read
    }
    for (std::thread& thread : connections_) thread.join();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int connections() const { return accepted_; }

 private:
  using Socket = boost::asio::ip::tcp::socket;

  void accept() {
    while (!stop_) {
      auto socket = std::make_shared<Socket>(io_);
      boost::system::error_code error;
      acceptor_.accept(*socket, error);
      if (stop_ || error) return;
      ++accepted_;
      const std::lock_guard lock(mutex_);
      open_.insert(socket->native_handle());
      connections_.emplace_back([this, socket] { serve(*socket); });
    }
  }

  void serve(Socket& socket) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    boost::system::error_code error;
    while (!stop_) {
      http::request<http::string_body> message;
      http::read(socket, buffer, message, error);
      if (error) break;
      Request request{std::string(message.method_string()), std::string(message.target()), {}, message.body()};
      for (const auto& field : message) {
        std::string name(field.name_string());
        for (char& c : name) c = static_cast<char>(std::tolower(c));
        request.headers[name] = std::string(field.value());
      }
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      if (!answer(socket, handler_(request))) break;
    }
    const std::lock_guard lock(mutex_);
    if (socket.is_open()) open_.erase(socket.native_handle());
    socket.close(error);
  }

  bool answer(Socket& socket, const Reply& reply) {
    if (reply.reset) {
      socket.set_option(boost::asio::socket_base::linger(true, 0));  // closing will then reset the connection
      return false;
    }
    pause(reply.before);
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n";
    for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
    head += "Content-Length: " + std::to_string(reply.claimed_length.value_or(reply.body.size())) + "\r\n\r\n";
    boost::system::error_code error;
    boost::asio::write(socket, boost::asio::buffer(head), error);
    const std::size_t end = std::min(reply.body.size(), reply.cut_after.value_or(reply.body.size()));
    for (std::size_t at = 0; at < end && !error && !stop_;) {
      const std::size_t block = std::min<std::size_t>(end - at, 64 << 10);
      boost::asio::write(socket, boost::asio::buffer(reply.body.data() + at, block), error);
      at += block;
      pause(reply.per_block);
    }
    return !error && !reply.cut_after;
  }

  void pause(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!stop_ && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  Handler handler_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stop_{false};
  std::atomic<int> accepted_{0};
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::set<int> open_;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace limpid::test
