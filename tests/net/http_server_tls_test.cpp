// HttpServer through TLS, with certificates made here.
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "tests/net/served.h"

using namespace limpid;
using namespace limpid::test;

namespace {

template <auto Free>
struct With {
  template <typename T>
  void operator()(T* held) const {
    Free(held);
  }
};

// A self-signed certificate for `name` with a key of its own, as PEM files in the folder.
class TlsFiles {
 public:
  TlsFiles() : folder_(std::filesystem::temp_directory_path() / ("limpid_tls_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~TlsFiles() { std::filesystem::remove_all(folder_); }
  std::string certificate() const { return folder_ / "cert.pem"; }
  std::string key() const { return folder_ / "key.pem"; }

  void make(const std::string& name) const {
    const std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>> pair(EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, With<X509_free>> made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
    X509_set_pubkey(made.get(), pair.get());
    X509_NAME* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
    X509_set_issuer_name(made.get(), subject);
    ASSERT_GT(X509_sign(made.get(), pair.get(), EVP_sha256()), 0);
    const std::unique_ptr<std::FILE, With<std::fclose>> cert_file(std::fopen(certificate().c_str(), "w"));
    const std::unique_ptr<std::FILE, With<std::fclose>> key_file(std::fopen(key().c_str(), "w"));
    ASSERT_EQ(PEM_write_X509(cert_file.get(), made.get()), 1);
    ASSERT_EQ(PEM_write_PrivateKey(key_file.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  }
  HttpServerOptions options() const {
    HttpServerOptions options;
    options.certificate = certificate();
    options.key = key();
    return options;
  }

 private:
  std::filesystem::path folder_;
};

class TlsClient {
 public:
  explicit TlsClient(const HttpServer& server, int version = 0, std::string_view protocol = "")
      : raw_(server.port()), context_(SSL_CTX_new(TLS_client_method())) {
    if (version) {
      SSL_CTX_set_security_level(context_.get(), 0);
      SSL_CTX_set_min_proto_version(context_.get(), version);
      SSL_CTX_set_max_proto_version(context_.get(), version);
    }
    session_.reset(SSL_new(context_.get()));
    if (!protocol.empty()) {
      const std::string offer = static_cast<char>(protocol.size()) + std::string(protocol);
      SSL_set_alpn_protos(session_.get(), reinterpret_cast<const unsigned char*>(offer.data()),
                          static_cast<unsigned>(offer.size()));
    }
    SSL_set_fd(session_.get(), raw_.descriptor());
    connected_ = SSL_connect(session_.get()) == 1;
    ERR_clear_error();
  }

  bool connected() const { return connected_; }
  RawClient& raw() { return raw_; }
  std::string protocol() const {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(session_.get(), &chosen, &size);
    return {reinterpret_cast<const char*>(chosen), size};
  }
  std::string peer_name() const {
    const std::unique_ptr<X509, With<X509_free>> peer(SSL_get1_peer_certificate(session_.get()));
    char name[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name, sizeof name);
    return name;
  }
  bool send(std::string_view bytes) {
    return SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  }
  std::string read_until(std::string_view end) {
    char buffer[16384];
    while (read_.find(end) == std::string::npos) {
      const int n = SSL_read(session_.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      read_.append(buffer, static_cast<std::size_t>(n));
    }
    const std::size_t at = read_.find(end);
    const std::string taken = read_.substr(0, at == std::string::npos ? at : at + end.size());
    read_.erase(0, taken.size());
    return taken;
  }

 private:
  RawClient raw_;
  std::unique_ptr<SSL_CTX, With<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, With<SSL_free>> session_;
  bool connected_ = false;
  std::string read_;
};

}  // namespace

TEST(HttpServerTls, AnswersAndKeepsTheConnection) {
  TlsFiles files;
  files.make("one.example");
  Served served([](const Exchange& exchange) { exchange->respond(text(exchange->request().tls ? "tls." : "plain.")); },
                files.options());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(served.server, version, "http/1.1");
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.peer_name(), "one.example");
    EXPECT_EQ(client.protocol(), "http/1.1");
    client.send(get("/") + get("/"));
    EXPECT_TRUE(client.read_until("tls.").starts_with("HTTP/1.1 200 OK"));
    EXPECT_TRUE(client.read_until("tls.").starts_with("HTTP/1.1 200 OK"));
  }
  EXPECT_EQ(served.server.statistics().accepted, 2u);
}

TEST(HttpServerTls, OldVersionsAndOtherProtocolsAreRefused) {
  TlsFiles files;
  files.make("x");
  Served served(echo, files.options());
  EXPECT_FALSE(TlsClient(served.server, TLS1_1_VERSION).connected());
  EXPECT_FALSE(TlsClient(served.server, TLS1_3_VERSION, "h2").connected());
  RawClient plain = served.client();
  plain.send(get("/"));
  EXPECT_TRUE(plain.ends());
  EXPECT_TRUE(TlsClient(served.server).connected());
}

TEST(HttpServerTls, LargeBodiesBothWaysAndStreams) {
  TlsFiles files;
  files.make("x");
  Served served(
      [](const Exchange& exchange) {
        if (exchange->request().method == "POST") return exchange->respond(text(exchange->request().body + "END"));
        exchange->begin(200, {});
        for (int i = 0; i < 100; ++i) exchange->send(std::string(1000, 'x'));
        exchange->end();
      },
      files.options());
  TlsClient client(served.server);
  std::string body(3u << 20, ' ');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 19);
  const std::string request = post("/", body);
  for (std::size_t at = 0; at < request.size(); at += 100'000)
    ASSERT_TRUE(client.send(std::string_view(request).substr(at, 100'000)));
  client.read_until("\r\n\r\n");
  EXPECT_TRUE(client.read_until("END") == body + "END");
  client.send(get("/"));
  EXPECT_NE(client.read_until("\r\n\r\n").find("chunked"), std::string::npos);
  const std::string streamed = client.read_until("0\r\n\r\n");
  EXPECT_EQ(std::count(streamed.begin(), streamed.end(), 'x'), 100'000);
}

TEST(HttpServerTls, DisconnectIsNoticed) {
  TlsFiles files;
  files.make("x");
  Kept kept;
  Served served(kept.handler(), files.options());
  std::atomic<int> closed = 0;
  {
    TlsClient client(served.server);
    client.send(get("/"));
    kept.wait()->on_close([&] { ++closed; });
    kept.wait()->begin(200, {});
    client.read_until("\r\n\r\n");
  }
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
}

TEST(HttpServerTls, AHandshakeThatNeverEndsTimesOut) {
  TlsFiles files;
  files.make("x");
  HttpServerOptions options = files.options();
  options.header_seconds = 0.2;
  Served served(echo, options);
  RawClient silent = served.client(), half = served.client();
  half.send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9));
  EXPECT_TRUE(silent.ends(5));
  EXPECT_TRUE(half.ends(5));
  EXPECT_EQ(served.server.statistics().timeouts, 2u);
}

// Whole ones, ones that are left in the middle, and bytes that are none; meanwhile a connection that stands is served.
TEST(HttpServerTls, HandshakesHoldUpNobody) {
  const TlsFiles files;
  files.make("first.test");
  Served served(echo, files.options());
  TlsClient standing(served.server);
  ASSERT_TRUE(standing.connected());
  std::atomic<int> shaken = 0;
  std::atomic<bool> over = false;
  std::vector<std::thread> others;
  for (int t = 0; t < 3; ++t)
    others.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        if (t == 0) {
          shaken += TlsClient(served.server).connected();
          continue;
        }
        RawClient raw = served.client();
        // The head of a handshake record and the beginning of a hello, or nonsense of its length.
        raw.send(t == 1 ? std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) : std::string(11, 'x'));
        if (i % 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }  // and is closed
    });
  std::thread waits([&] {
    for (std::thread& other : others) other.join();
    over = true;
  });
  int answered = 0;
  do {
    standing.send(get("/a"));
    if (standing.read_until("GET /a? ").find("200 OK") == std::string::npos) break;
    ++answered;
  } while (!over);
  waits.join();
  EXPECT_EQ(shaken, 40);
  EXPECT_GT(answered, 5);
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 1; }));
  RawClient left = served.client();
  left.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  served.server.stop();  // with one in the middle
}

TEST(HttpServerTls, ReloadServesNewConnectionsWithTheNewCertificate) {
  TlsFiles files;
  files.make("old.example");
  Served served(echo, files.options());
  TlsClient before(served.server);
  EXPECT_EQ(before.peer_name(), "old.example");
  files.make("new.example");
  EXPECT_EQ(TlsClient(served.server).peer_name(), "old.example") << "until it is told to";
  served.server.reload_certificate();
  EXPECT_EQ(TlsClient(served.server).peer_name(), "new.example");
  EXPECT_TRUE(before.send(get("/x")));
  EXPECT_NE(before.read_until("GET /x").find("200 OK"), std::string::npos) << "old connections go on";

  std::ofstream(files.certificate()) << "broken";
  try {
    served.server.reload_certificate();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_NE(std::string(error.what()).find(files.certificate()), std::string::npos) << error.what();
  }
  EXPECT_EQ(TlsClient(served.server).peer_name(), "new.example") << "the one that loaded stays";
}

TEST(HttpServerTls, ErrorsNameTheFile) {
  TlsFiles files, other;
  files.make("x");
  const auto fails = [](const HttpServerOptions& options, const std::string& naming) {
    try {
      HttpServer server(options, echo);
      ADD_FAILURE() << naming;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_NE(std::string(error.what()).find(naming), std::string::npos) << error.what();
    }
  };
  HttpServerOptions options = files.options();
  options.key.clear();
  fails(options, "key");
  options.key = "/nowhere/key.pem";
  fails(options, "/nowhere/key.pem");
  options = files.options();
  options.certificate = "/nowhere/cert.pem";
  fails(options, "/nowhere/cert.pem");
  std::filesystem::copy_file(files.certificate(), files.certificate() + ".kept");
  files.make("another key");
  std::filesystem::rename(files.certificate() + ".kept", files.certificate());
  fails(files.options(), files.key() + ": expected the private key of");
}
