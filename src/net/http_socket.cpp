#include "net/http_socket.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <utility>

namespace limpid {
namespace {

HttpSocket::Result of_system(ssize_t n, HttpSocket::Outcome wait) {
  if (n > 0) return {HttpSocket::Outcome::done, static_cast<std::size_t>(n)};
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {wait};
  return {HttpSocket::Outcome::closed};
}

int bounded(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

}  // namespace

void HttpSocket::TlsDeleter::operator()(ssl_st* tls) const { SSL_free(tls); }

HttpSocket::HttpSocket(int descriptor, Tls tls) : descriptor_(descriptor), tls_(std::move(tls)) {}

HttpSocket::Result HttpSocket::of(int returned) {
  if (returned > 0) return {Outcome::done, static_cast<std::size_t>(returned)};
  const int reason = SSL_get_error(tls_.get(), returned);
  ERR_clear_error();
  if (reason == SSL_ERROR_WANT_READ) return {Outcome::wait_read};
  if (reason == SSL_ERROR_WANT_WRITE) return {Outcome::wait_write};
  return {Outcome::closed};
}

HttpSocket::Result HttpSocket::handshake() {
  ERR_clear_error();
  return of(SSL_accept(tls_.get()));
}

HttpSocket::Result HttpSocket::read(std::span<char> into) {
  if (!tls_) return of_system(::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT), Outcome::wait_read);
  ERR_clear_error();
  return of(SSL_read(tls_.get(), into.data(), bounded(into.size())));
}

HttpSocket::Result HttpSocket::write(std::string_view bytes) {
  if (!tls_)
    return of_system(::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL), Outcome::wait_write);
  ERR_clear_error();
  return of(SSL_write(tls_.get(), bytes.data(), bounded(bytes.size())));
}

HttpSocket::Result HttpSocket::discard(std::span<char> scratch) {
  return of_system(::recv(descriptor_, scratch.data(), scratch.size(), MSG_DONTWAIT), Outcome::wait_read);
}

bool HttpSocket::pending() const { return tls_ && SSL_has_pending(tls_.get()) == 1; }

void HttpSocket::finish() {
  if (tls_ && SSL_is_init_finished(tls_.get())) {
    SSL_shutdown(tls_.get());
    ERR_clear_error();
  }
  ::shutdown(descriptor_, SHUT_WR);
}

}  // namespace limpid
