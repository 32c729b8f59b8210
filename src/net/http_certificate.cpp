#include "net/http_certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <new>
#include <string_view>

#include "base/error.h"

namespace limpid {
namespace {

std::string why() {
  const unsigned long code = ERR_peek_last_error();
  char text[256] = "no reason given";
  if (const char* reason = ERR_reason_error_string(code)) return ERR_clear_error(), reason;
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

int no_password(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  constexpr std::string_view kOurs = "http/1.1";
  for (unsigned at = 0; at < in_size; at += in[at] + 1u) {
    if (at + 1u + in[at] > in_size) break;
    const std::string_view offered(reinterpret_cast<const char*>(in) + at + 1, in[at]);
    if (offered != kOurs) continue;
    *out = in + at + 1;
    *out_size = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301, 3.2: none that both speak
}

}  // namespace

void HttpCertificate::Deleter::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

HttpCertificate::HttpCertificate(const std::string& certificate, const std::string& key)
    : context_(SSL_CTX_new(TLS_server_method())) {
  if (!context_) throw std::bad_alloc();
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);      // an idle session owns no buffer
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets do without memory of ours
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    fail(ErrorKind::input, "{}: expected a certificate in PEM: {}", certificate, why());
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    fail(ErrorKind::input, "{}: expected the private key of {} in PEM, without a password: {}", key, certificate,
         why());
  if (SSL_CTX_check_private_key(context) != 1)
    fail(ErrorKind::input, "{}: the key does not belong to the certificate {}", key, certificate);
}

HttpSocket::Tls HttpCertificate::session(int descriptor) const {
  HttpSocket::Tls session(SSL_new(context_.get()));
  if (!session || SSL_set_fd(session.get(), descriptor) != 1) throw std::bad_alloc();
  return session;
}

}  // namespace limpid
