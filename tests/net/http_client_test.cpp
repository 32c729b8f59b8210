#include "net/http_client.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "net/retry.h"
#include "net/url.h"
#include "tests/net/test_server.h"

using namespace limpid;
using limpid::test::Reply;
using limpid::test::Request;
using limpid::test::TestServer;

namespace {

HttpOptions quick_client() {
  HttpOptions options;
  options.stall_timeout_s = 2;
  return options;
}

HttpRequest with_token(const std::string& url, const std::string& origin_of) {
  HttpRequest request;
  request.url = url;
  request.bearer = "secret";
  request.bearer_origin = url_origin(origin_of);
  return request;
}

Reply redirect(const std::string& to, int status = 302) {
  return {.status = status, .headers = {{"Location", to}}, .body = "moved"};
}

}  // namespace

TEST(Url, OriginHasSchemeHostAndPort) {
  EXPECT_EQ(url_origin("https://Hub.Example/a?b"), "https://hub.example:443");
  EXPECT_EQ(url_origin("http://hub.example:8080"), "http://hub.example:8080");
  EXPECT_NE(url_origin("https://hub.example"), url_origin("http://hub.example"));
  EXPECT_NE(url_origin("https://hub.example"), url_origin("https://hub.example.evil.org"));
  EXPECT_THROW(url_origin("file:///etc/passwd"), Error);
  EXPECT_THROW(url_origin("https://hub.example@evil.org/"), Error);
  EXPECT_THROW(url_origin("not a url"), Error);
}

TEST(Url, JoinFollowsRfc3986) {
  EXPECT_EQ(url_join("https://a.example/x/y", "/z"), "https://a.example/z");
  EXPECT_EQ(url_join("https://a.example/x/y", "z?q"), "https://a.example/x/z?q");
  EXPECT_EQ(url_join("https://a.example/x", "//b.example/z"), "https://b.example/z");
  EXPECT_EQ(url_join("https://a.example/x", "http://b.example:81/z"), "http://b.example:81/z");
  EXPECT_THROW(url_join("https://a.example/x", "file:///etc/passwd"), Error);
}

TEST(Url, EscapesWhatIsNotPlain) {
  EXPECT_EQ(url_escape_path("a b/c?#%\xC3\xA9"), "a%20b/c%3F%23%25%C3%A9");
  EXPECT_EQ(url_escape_segment("refs/pr/1"), "refs%2Fpr%2F1");
}

TEST(HttpClient, GetsBodyAndHeaders) {
  TestServer server([](const Request& request) {
    return Reply{.headers = {{"X-Thing", "7"}}, .body = "hello " + request.target};
  });
  HttpClient client(quick_client());
  const HttpResponse response = client.get({.url = server.url() + "/a"});
  EXPECT_TRUE(response.ok());
  EXPECT_EQ(response.body, "hello /a");
  EXPECT_EQ(response.header("x-thing"), "7");
  client.get({.url = server.url() + "/b"});
  EXPECT_EQ(server.connections(), 1) << "a connection is kept between requests";
}

TEST(HttpClient, TokenStaysWithItsOrigin) {
  TestServer cdn([](const Request&) { return Reply{.body = "data"}; });
  TestServer hub([&](const Request& request) {
    if (request.target == "/1") return redirect("/2", 307);  // the same origin: keeps the token
    return redirect(cdn.url() + "/file");                    // another port is another origin
  });
  HttpClient client(quick_client());
  const HttpResponse response = client.get(with_token(hub.url() + "/1", hub.url()));
  EXPECT_EQ(response.body, "data");
  ASSERT_EQ(hub.requests().size(), 2u);
  EXPECT_EQ(hub.requests()[0].header("authorization"), "Bearer secret");
  EXPECT_EQ(hub.requests()[1].header("authorization"), "Bearer secret");
  ASSERT_EQ(cdn.requests().size(), 1u);
  EXPECT_EQ(cdn.requests()[0].header("authorization"), "");
  const Request seen = cdn.requests()[0];
  for (const auto& [name, value] : seen.headers) EXPECT_EQ(value.find("secret"), std::string::npos) << name;
}

TEST(HttpClient, TokenIsNotSentToAnotherFirstHost) {
  TestServer other([](const Request&) { return Reply{.body = "x"}; });
  HttpClient client(quick_client());
  client.get(with_token(other.url() + "/", "https://hub.example"));
  EXPECT_EQ(other.requests().at(0).header("authorization"), "");
}

TEST(HttpClient, FirstHeadersSurviveARedirect) {
  TestServer cdn([](const Request&) { return Reply{.headers = {{"ETag", "\"cdn\""}}, .body = "data"}; });
  TestServer hub([&](const Request&) {
    Reply reply = redirect(cdn.url() + "/f");
    reply.headers["X-Linked-Etag"] = "\"hub\"";
    return reply;
  });
  HttpClient client(quick_client());
  const HttpResponse response = client.get({.url = hub.url()});
  EXPECT_EQ(response.first_headers.at("x-linked-etag"), "\"hub\"");
  EXPECT_EQ(response.header("etag"), "\"cdn\"");
}

TEST(HttpClient, EndlessRedirectsEnd) {
  TestServer server([](const Request& request) { return redirect(request.target + "x"); });
  HttpClient client(quick_client());
  const HttpResponse response = client.get({.url = server.url() + "/", .redirects = 5});
  EXPECT_NE(response.error.find("redirects"), std::string::npos);
  EXPECT_EQ(server.requests().size(), 6u);
}

TEST(HttpClient, RedirectToAFileIsRefused) {
  TestServer server([](const Request&) { return redirect("file:///etc/hostname"); });
  HttpClient client(quick_client());
  EXPECT_THROW(client.get({.url = server.url()}), Error);
}

TEST(HttpClient, RangeIsAsked) {
  TestServer server([](const Request& request) { return Reply{.status = 206, .body = request.header("range")}; });
  HttpClient client(quick_client());
  EXPECT_EQ(client.get({.url = server.url(), .first = 5, .last = 9}).body, "bytes=5-9");
  EXPECT_EQ(client.get({.url = server.url()}).body, "");
}

TEST(HttpClient, BrokenTransfersAreReturnedNotThrown) {
  TestServer server([](const Request& request) {
    if (request.target == "/cut") return Reply{.body = std::string(1000, 'x'), .cut_after = 10};
    return Reply{.reset = true};
  });
  HttpClient client(quick_client());
  const HttpResponse cut = client.get({.url = server.url() + "/cut"});
  EXPECT_FALSE(cut.ok());
  EXPECT_FALSE(cut.error.empty());
  EXPECT_TRUE(worth_retrying(cut));
  EXPECT_FALSE(client.get({.url = server.url() + "/reset"}).error.empty());
  HttpRequest nobody;
  nobody.url = "http://127.0.0.1:1/";
  EXPECT_EQ(client.get(nobody).status, 0);
}

TEST(HttpClient, SilentServerTimesOut) {
  TestServer server([](const Request&) { return Reply{.body = "late", .before = std::chrono::seconds(20)}; });
  HttpOptions options;
  options.stall_timeout_s = 1;
  HttpClient client(options);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(client.get({.url = server.url()}).error.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(HttpClient, BodyLimitHolds) {
  TestServer server([](const Request&) { return Reply{.body = std::string(100'000, 'x')}; });
  HttpClient client(quick_client());
  EXPECT_THROW(client.get({.url = server.url()}, 1000), Error);
  EXPECT_EQ(client.get({.url = server.url()}, 100'000).body.size(), 100'000u) << "usable after an error";
}

TEST(HttpClient, ErrorBodyGoesToTheResponseNotToTheSink) {
  TestServer server([](const Request&) { return Reply{.status = 404, .body = "no such thing"}; });
  HttpClient client(quick_client());
  std::size_t sunk = 0;
  bool asked = false;
  const HttpResponse response = client.stream(
      {.url = server.url()}, [&](const HttpResponse&) { return asked = true; },
      [&](std::span<const std::byte> bytes) { sunk += bytes.size(); });
  EXPECT_EQ(response.body, "no such thing");
  EXPECT_EQ(sunk, 0u);
  EXPECT_FALSE(asked);
}

TEST(HttpClient, DecliningEndsWithoutAnError) {
  TestServer server([](const Request&) { return Reply{.body = std::string(1 << 20, 'x')}; });
  HttpClient client(quick_client());
  std::size_t sunk = 0;
  const HttpResponse response = client.stream(
      {.url = server.url()}, [](const HttpResponse&) { return false; },
      [&](std::span<const std::byte> bytes) { sunk += bytes.size(); });
  EXPECT_TRUE(response.error.empty()) << response.error;
  EXPECT_EQ(sunk, 0u);
}

TEST(HttpClient, ThrownBySinkComesOut) {
  TestServer server([](const Request&) { return Reply{.body = "x"}; });
  HttpClient client(quick_client());
  EXPECT_THROW(client.stream(
                   {.url = server.url()}, [](const HttpResponse&) { return true; },
                   [](std::span<const std::byte>) { throw std::runtime_error("full"); }),
               std::runtime_error);
}

TEST(HttpClient, CancelEndsASlowTransfer) {
  TestServer server([](const Request&) {
    return Reply{.body = std::string(10 << 20, 'x'), .per_block = std::chrono::milliseconds(50)};
  });
  HttpOptions options = quick_client();
  std::atomic<bool> stop{false};
  options.cancelled = [&] { return stop.load(); };
  HttpClient client(options);
  try {
    client.stream(
        {.url = server.url()}, [](const HttpResponse&) { return true; },
        [&](std::span<const std::byte>) { stop = true; });
    FAIL() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

TEST(HttpClient, OfflineReachesNobody) {
  TestServer server([](const Request&) { return Reply{.body = "x"}; });
  HttpOptions options = quick_client();
  options.offline = true;
  HttpClient client(options);
  EXPECT_THROW(client.get({.url = server.url()}), Error);
  EXPECT_EQ(server.connections(), 0);
}

TEST(HttpClient, ProxyOfTheEnvironmentIsUsed) {
  TestServer proxy([](const Request& request) { return Reply{.body = "via proxy: " + request.target}; });
  ASSERT_EQ(setenv("http_proxy", proxy.url().c_str(), 1), 0);
  HttpClient client(quick_client());
  const std::string body = client.get({.url = "http://hub.invalid/x"}).body;
  unsetenv("http_proxy");
  EXPECT_EQ(body, "via proxy: http://hub.invalid/x");
}

TEST(HttpClient, HeadersCannotBeSplit) {
  TestServer server([](const Request&) { return Reply{.body = "x"}; });
  HttpClient client(quick_client());
  EXPECT_THROW(client.get({.url = server.url(), .headers = {{"X-A", "1\r\nX-B: 2"}}}), Error);
}

TEST(Retry, WaitsAsToldAndGivesUp) {
  std::atomic<int> asked{0};
  TestServer server([&](const Request& request) {
    ++asked;
    if (request.target == "/busy") return Reply{.status = 429, .headers = {{"Retry-After", "3"}}};
    if (request.target == "/broken") return Reply{.status = 503};
    if (request.target == "/third" && asked < 3) return Reply{.reset = true};
    return Reply{.status = request.target == "/gone" ? 404 : 200, .body = "ok"};
  });
  std::vector<long> waits;
  RetryPolicy policy;
  policy.attempts = 4;
  policy.sleep = [&](std::chrono::milliseconds time) { waits.push_back(time.count()); };
  HttpClient client(quick_client());
  EXPECT_EQ(get_with_retries(client, {.url = server.url() + "/third"}, policy).body, "ok");
  EXPECT_EQ(waits, (std::vector<long>{1000, 2000}));
  waits.clear();
  EXPECT_EQ(get_with_retries(client, {.url = server.url() + "/busy"}, policy).status, 429);
  EXPECT_EQ(waits, (std::vector<long>{3000, 3000, 3000}));
  waits.clear();
  EXPECT_EQ(get_with_retries(client, {.url = server.url() + "/broken"}, policy).status, 503);
  EXPECT_EQ(waits, (std::vector<long>{1000, 2000, 4000}));
  waits.clear();
  EXPECT_EQ(get_with_retries(client, {.url = server.url() + "/gone"}, policy).status, 404);
  EXPECT_TRUE(waits.empty()) << "404 is final";
}

TEST(Retry, RetryAfterIsBounded) {
  HttpResponse response;
  response.headers["retry-after"] = "86400000";
  RetryPolicy policy;
  EXPECT_EQ(retry_delay(policy, response, 1), policy.longest_delay);
  response.headers["retry-after"] = "Wed, 21 Oct 2015 07:28:00 GMT";  // in the past
  EXPECT_EQ(retry_delay(policy, response, 1), policy.first_delay);
  response.headers["retry-after"] = "nonsense";
  EXPECT_EQ(retry_delay(policy, response, 3), 4 * policy.first_delay);
}
