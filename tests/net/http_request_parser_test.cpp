#include "net/http_request_parser.h"

#include <gtest/gtest.h>

#include "net/http_target.h"

using namespace limpid;
using namespace std::string_view_literals;
using Stage = HttpRequestParser::Stage;

namespace {

// The status a request is refused with; 0: it is whole; -1: more is wanted.
int refused(std::string_view bytes, HttpRequestLimits limits = {}) {
  HttpRequestParser parser(limits);
  const Stage stage = parser.feed(bytes);
  if (stage == Stage::fault) {
    EXPECT_FALSE(parser.fault().message.empty());
    EXPECT_FALSE(parser.keep_alive());
    EXPECT_EQ(parser.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Stage::fault) << "nothing is read after a fault";
    return parser.fault().status;
  }
  return stage == Stage::done ? 0 : -1;
}

std::string head(std::string_view fields, std::string_view line = "POST / HTTP/1.1") {
  return std::string(line) + "\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

std::string decoded(std::string_view target) {
  std::string why;
  const auto parsed = parse_target(target, why);
  return parsed ? parsed->path + "|" + parsed->query : "refused: " + why;
}

}  // namespace

TEST(HttpRequestParser, SmugglingIsRefused) {
  const std::string chunks = "0\r\n\r\n";
  EXPECT_EQ(refused(head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + chunks), 400);
  EXPECT_EQ(refused(head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + chunks), 400);
  EXPECT_EQ(refused(head("Content-Length: 1\r\nContent-Length: 1\r\n") + "a"), 400);
  EXPECT_EQ(refused(head("Content-Length: 1\r\nContent-Length: 2\r\n") + "ab"), 400);
  EXPECT_EQ(refused(head("Content-Length: 1, 1\r\n") + "a"), 400);
  for (const char* length : {"+1", "-1", "0x1", "1 ", "", "1a", "18446744073709551616", "99999999999999999999"})
    EXPECT_NE(refused(head("Content-Length: " + std::string(length) + "\r\n") + "a"),
              std::string_view(length) == "1 " ? 400 : 0)
        << length;  // white space around a value is none of it
  EXPECT_EQ(refused(head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + chunks), 400);
  for (const char* coding :
       {"gzip, chunked", "chunked, gzip", "identity", "xchunked", "chunked, chunked", "\"chunked\""})
    EXPECT_EQ(refused(head("Transfer-Encoding: " + std::string(coding) + "\r\n") + chunks), 501) << coding;
  EXPECT_EQ(refused(head("Transfer-Encoding : chunked\r\n") + chunks), 400) << "space before the colon";
  EXPECT_EQ(refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks), 400);
  EXPECT_EQ(refused(head("Transfer-Encoding: chunked\r\n") + "0\r\nContent-Length: 5\r\n\r\n"), 400) << "as a trailer";
}

TEST(HttpRequestParser, LengthAndChunksAreRead) {
  HttpRequestParser parser({});
  EXPECT_EQ(parser.feed(head("Content-Length: 4\r\n") + "bodyGET /2 HT"), Stage::done);
  EXPECT_TRUE(parser.keep_alive());
  EXPECT_EQ(parser.take().body, "body");
  EXPECT_EQ(parser.buffered(), 9u);
  EXPECT_EQ(parser.next(), Stage::head);
  EXPECT_EQ(parser.feed("TP/1.1\r\nhost: x\r\nConnection: close\r\n\r\n"), Stage::done);
  EXPECT_FALSE(parser.keep_alive());
  const ServedRequest second = parser.take();
  EXPECT_EQ(second.method, "GET");
  EXPECT_EQ(second.path, "/2");
  EXPECT_EQ(second.header("HOST"), "x");
  EXPECT_EQ(second.body, "");
}

TEST(HttpRequestParser, TrailersAreDropped) {
  HttpRequestParser parser({});
  EXPECT_EQ(parser.feed(head("Transfer-Encoding: chunked\r\n") + "1\r\na\r\n0\r\nAuthorization: Bearer forged\r\n\r\n"),
            Stage::done);
  const ServedRequest request = parser.take();
  EXPECT_EQ(request.header("Authorization"), "");
  EXPECT_EQ(request.body, "a");
}

TEST(HttpRequestParser, BadChunks) {
  for (const char* chunks :
       {"g\r\n", "-1\r\n", "1\r\nab\r\n0\r\n\r\n", "1;\x01\r\na\r\n", "FFFFFFFFFFFFFFFFF\r\n", "\r\n\r\n"})
    EXPECT_GE(refused(head("Transfer-Encoding: chunked\r\n") + chunks), 400) << chunks;
}

TEST(HttpRequestParser, HostsOnceAndWellFormed) {
  const auto with = [](std::string_view fields) {
    return refused("GET / HTTP/1.1\r\n" + std::string(fields) + "\r\n");
  };
  for (const char* host :
       {"localhost", "a.example:8080", "[::1]:80", "[fe80::1]", "127.0.0.1", "xn--bcher-kva.example"})
    EXPECT_EQ(with("Host: " + std::string(host) + "\r\n"), 0) << host;
  for (const char* host : {"", "a b", "a/b", "a@b", "a:b", "a:", "[::1", "[]", "a,b", "a:123456", "::1", "a\tb"})
    EXPECT_EQ(with("Host: " + std::string(host) + "\r\n"), std::string_view(host) == "a:" ? 0 : 400) << host;
  EXPECT_EQ(with(""), 400);
  EXPECT_EQ(with("Host: a\r\nHost: a\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.0\r\n\r\n"), 0) << "HTTP/1.0 has none";
}

TEST(HttpRequestParser, RequestLines) {
  const auto line = [](std::string_view text) { return refused(std::string(text) + "\r\nHost: x\r\n\r\n"); };
  EXPECT_EQ(line("GET / HTTP/1.1"), 0);
  EXPECT_EQ(line("PATCH / HTTP/1.1"), 0);
  EXPECT_EQ(line("ANY-TOKEN / HTTP/1.1"), 0);
  EXPECT_EQ(line("OPTIONS * HTTP/1.1"), 0);
  EXPECT_EQ(line("GET * HTTP/1.1"), 400);
  EXPECT_EQ(line("GET http://x/ HTTP/1.1"), 400) << "absolute-form is for proxies";
  EXPECT_EQ(line("CONNECT x:80 HTTP/1.1"), 405);
  EXPECT_EQ(line("TRACE / HTTP/1.1"), 405);
  EXPECT_EQ(line("GET / HTTP/2.0"), 505);
  EXPECT_EQ(line("PRI * HTTP/2.0"), 505);
  EXPECT_EQ(line("GET / HTTP/0.9"), 505);
  for (const char* text : {"GET /", "GET  / HTTP/1.1", "GET / http/1.1", " GET / HTTP/1.1", "G\x01T / HTTP/1.1",
                           "GET / HTTP/1.1 ", "GET /a b HTTP/1.1", "\x16\x03\x01 / HTTP/1.1"})
    EXPECT_GE(line(text), 400) << text;
  EXPECT_EQ(refused("\x16\x03\x01"), 400) << "TLS on a plain port shows with its first byte";
  EXPECT_EQ(refused("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"sv), 400);
  EXPECT_GE(refused("GET / HTTP/1.1\nHost: x\n\n"), 400);
}

TEST(HttpRequestParser, Limits) {
  HttpRequestLimits limits{.header_bytes = 1000, .body_bytes = 10, .target_bytes = 100, .fields = 20};
  EXPECT_EQ(refused(head("A: " + std::string(990, 'a') + "\r\n"), limits), 431);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(2000, 'a'), limits), 431) << "before its end";
  EXPECT_EQ(refused("GET /" + std::string(100, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", limits), 414);
  std::string fields;
  for (int i = 0; i < 19; ++i) fields += "a:b\r\n";
  EXPECT_EQ(refused(head(fields), limits), 0);
  EXPECT_EQ(refused(head(fields + "a:b\r\n"), limits), 431);
  EXPECT_EQ(refused(head("Content-Length: 10\r\n") + std::string(10, 'x'), limits), 0);
  EXPECT_EQ(refused(head("Content-Length: 11\r\n"), limits), 413) << "before a byte of it";
  EXPECT_EQ(refused(head("Transfer-Encoding: chunked\r\n") + "8\r\n12345678\r\n3\r\n", limits), 413);
  EXPECT_EQ(refused(head("Transfer-Encoding: chunked\r\n") + "1;" + std::string(1100, 'a'), limits), 400)
      << "an extension without an end";
  limits.body_bytes = 1000;
  std::string padded;
  for (int i = 0; i < 100; ++i) padded += "1;" + std::string(100, 'a') + "\r\nx\r\n";
  EXPECT_EQ(refused(head("Transfer-Encoding: chunked\r\n") + padded, limits), 400) << "all framing, no content";
}

TEST(HttpTarget, DecodesAndNormalises) {
  EXPECT_EQ(decoded("/"), "/|");
  EXPECT_EQ(decoded("/v1/models/a%2Fb"), "/v1/models/a/b|");
  EXPECT_EQ(decoded("//a///b//"), "/a/b/|");
  EXPECT_EQ(decoded("/caf%C3%A9?q=%00&/../x"), "/caf\xC3\xA9|q=%00&/../x") << "the query stays as it came";
  EXPECT_EQ(decoded("/a?"), "/a|");
  EXPECT_EQ(decoded("/...?a?b"), "/...|a?b");
  EXPECT_EQ(decoded("/%25%32%65"), "/%2e|") << "decoded once";
}

TEST(HttpTarget, RefusesWhatCouldBeReadInTwoWays) {
  for (const char* target : {"",        "a",      "*",     "http://x/", "/..",       "/../",       "/a/..",
                             "/a/../b", "/.",     "/./a",  "/%2e%2e/a", "/a/%2E%2e", "/.%2e",      "/a%2f..%2fb",
                             "/%00",    "/a%0ab", "/a%7F", "/a%5C..",   "/a\\b",     "/%",         "/%1",
                             "/%zz",    "/a#b",   "/\x80", "/%80",      "/%C0%AF",   "/%ED%A0%80", "/%F4%90%80%80",
                             "/%E2%82", "/a b",   "/a\tb"})
    EXPECT_TRUE(decoded(target).starts_with("refused")) << target << " gave " << decoded(target);
}
