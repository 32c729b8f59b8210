// HttpCertificate: a certificate chain and its key, ready for TLS sessions (1.2 and 1.3, HTTP/1.1 by ALPN).
#pragma once

#include <memory>
#include <string>

#include "net/http_socket.h"

struct ssl_ctx_st;

namespace limpid {

class HttpCertificate {
 public:
  // PEM files: the server's certificate and those that vouch for it; its private key without a password. Throws
  // Error(input) naming the file.
  HttpCertificate(const std::string& certificate, const std::string& key);

  // A session on that socket, before its handshake. It keeps what it needs of the certificate. Throws std::bad_alloc.
  HttpSocket::Tls session(int descriptor) const;

 private:
  struct Deleter {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Deleter> context_;
};

}  // namespace limpid
