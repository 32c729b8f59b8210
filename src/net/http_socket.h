// HttpSocket: reads and writes of one non-blocking socket that never wait, plain or through TLS. Who calls waits for
// what the outcome names. Owns the TLS session, not the descriptor.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

struct ssl_st;

namespace limpid {

class HttpSocket {
 public:
  enum class Outcome { done, wait_read, wait_write, closed };
  struct Result {
    Outcome outcome;
    std::size_t bytes = 0;
  };
  struct TlsDeleter {
    void operator()(ssl_st* tls) const;
  };
  using Tls = std::unique_ptr<ssl_st, TlsDeleter>;

  explicit HttpSocket(int descriptor, Tls tls = nullptr);

  bool tls() const { return tls_ != nullptr; }
  Result handshake();
  Result read(std::span<char> into);
  Result write(std::string_view bytes);
  Result discard(std::span<char> scratch);  // raw bytes that nobody wants
  bool pending() const;                     // read() may give more though the socket has nothing
  void finish();                            // nothing more will be written

 private:
  Result of(int returned);

  int descriptor_;
  Tls tls_;
};

}  // namespace limpid
