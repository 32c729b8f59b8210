// HttpServer over loopback: answers, streams, what happens to a peer that goes away, and how it ends. Limits and
// hostile peers: http_server_limits_test.cpp; TLS: http_server_tls_test.cpp.
#include "net/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include "base/error.h"
#include "net/http_client.h"
#include "tests/net/served.h"

using namespace limpid;
using namespace limpid::test;

TEST(HttpServer, AnswersWithWhatWasAsked) {
  Served served(echo);
  RawClient client = served.client();
  const RawAnswer answer = client.ask(post("/a%20b/c?x=1&y=%41", "the body"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "POST /a b/c?x=1&y=%41 the body");
  EXPECT_EQ(answer.header("Content-Type"), "text/plain");
  EXPECT_EQ(answer.header("Connection"), "");
  EXPECT_NE(answer.header("Date").find(" GMT"), std::string::npos);
}

TEST(HttpServer, OtherClientsUnderstandIt) {
  Served served(echo);
  HttpClient client(HttpOptions{});
  for (int i = 0; i < 3; ++i) {
    const HttpResponse response =
        client.get({.url = "http://127.0.0.1:" + std::to_string(served.server.port()) + "/x", .post = "1"});
    EXPECT_TRUE(response.ok()) << response.error;
    EXPECT_EQ(response.body, "POST /x? 1");
  }
  EXPECT_EQ(served.server.statistics().accepted, 1u) << "the connection is kept";
  EXPECT_EQ(served.server.statistics().requests, 3u);
}

TEST(HttpServer, HeadersOfTheRequest) {
  Served served([](const Exchange& exchange) {
    const ServedRequest& request = exchange->request();
    exchange->respond(text(std::string(request.header("x-THING")) + "|" + std::string(request.header("none")) + "|" +
                           request.peer + "|" + (request.tls ? "tls" : "plain")));
  });
  RawClient client = served.client();
  EXPECT_EQ(client.ask(get("/", "X-Thing: 7\r\nx-thing: 8\r\n")).body, "7||127.0.0.1|plain");
}

TEST(HttpServer, KeepsTheConnectionAndAnswersInOrder) {
  Served served(echo);
  RawClient client = served.client();
  std::string many;
  for (int i = 0; i < 50; ++i) many += post("/" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'b'));
  client.send(many);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(client.answer().body,
              "POST /" + std::to_string(i) + "? " + std::string(static_cast<std::size_t>(i), 'b'));
  EXPECT_EQ(served.server.statistics().accepted, 1u);
}

TEST(HttpServer, OneRequestOfAConnectionAtATime) {
  std::atomic<int> running = 0, most = 0;
  Served served([&](const Exchange& exchange) {
    most = std::max(most.load(), ++running);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    --running;
    exchange->respond(text("x"));
  });
  RawClient client = served.client();
  client.send(get("/") + get("/") + get("/") + get("/"));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(most, 1);
}

TEST(HttpServer, ByteAtATime) {
  Served served(echo);
  RawClient client = served.client();
  const std::string request = "\r\n" + post("/slow", "body") + get("/next");
  for (const char c : request) client.send({&c, 1});
  EXPECT_EQ(client.answer().body, "POST /slow? body");
  EXPECT_EQ(client.answer().body, "GET /next? ");
}

TEST(HttpServer, ChunkedBodies) {
  Served served(echo);
  RawClient client = served.client();
  const std::string head = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(client.ask(head + "4;name=value\r\nwiki\r\n5\r\npedia\r\n0\r\nTrailer: dropped\r\n\r\n").body,
            "POST /c? wikipedia");
  for (const char c : head + "0\r\n\r\n") client.send({&c, 1});
  EXPECT_EQ(client.answer().body, "POST /c? ");
  const std::string bytewise = head + "1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n";
  for (const char c : bytewise) client.send({&c, 1});
  EXPECT_EQ(client.answer().body, "POST /c? a0123456789");
}

TEST(HttpServer, HeadHasNoBodyAndOptionsReachTheHandler) {
  Served served([](const Exchange& exchange) {
    if (exchange->request().path == "/stream") {
      exchange->begin(200, {});
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(exchange->send(std::string(400'000, 'x')));  // never on the wire
      return exchange->end();
    }
    exchange->respond(exchange->request().method == "OPTIONS" ? ServedResponse{204, {{"Allow", "GET"}}, "dropped"}
                                                              : text("12345"));
  });
  RawClient client = served.client();
  client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer(true).header("Content-Length"), "5");
  client.send("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer(true).header("Transfer-Encoding"), "chunked");
  const RawAnswer options = client.ask("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("Allow"), "GET");
  EXPECT_EQ(options.header("Content-Length"), "");
  EXPECT_EQ(client.ask(get("/")).body, "12345") << "nothing of the other answers is left over";
}

TEST(HttpServer, Http10) {
  Served served([](const Exchange& exchange) {
    if (exchange->request().path != "/stream") return echo(exchange);
    exchange->begin(200, {});
    exchange->send("until ");
    exchange->send("the end");
    exchange->end();
  });
  RawClient kept = served.client();
  EXPECT_EQ(kept.ask("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("Connection"), "keep-alive");
  const RawAnswer last = kept.ask("GET /2 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_EQ(last.body, "GET /2? ");
  EXPECT_TRUE(kept.ends());
  RawClient streamed = served.client();
  const RawAnswer stream = streamed.ask("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(stream.header("Transfer-Encoding"), "");
  EXPECT_EQ(stream.header("Connection"), "close");
  EXPECT_EQ(stream.body, "until the end");
  EXPECT_TRUE(stream.whole);
}

TEST(HttpServer, ConnectionCloseIsHonoured) {
  Served served(echo);
  RawClient client = served.client();
  EXPECT_EQ(client.ask(get("/", "Connection: close\r\n") + get("/never")).header("Connection"), "close");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(served.server.statistics().requests, 1u);
}

TEST(HttpServer, Expect100Continue) {
  Served served(echo);
  RawClient client = served.client();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("body").body, "POST /? body");
  EXPECT_EQ(client.ask(post("/", "here", "Expect: 100-continue\r\n")).body, "POST /? here") << "it did not wait";
  EXPECT_EQ(client.ask(post("/", "here", "Expect: miracles\r\n")).status, 417);
}

TEST(HttpServer, StreamsArriveAsTheyAreSent) {
  Kept kept;
  Served served(kept.handler());
  RawClient client = served.client();
  client.send(get("/"));
  const Exchange exchange = kept.wait();
  exchange->begin(200, {{"Content-Type", "text/event-stream"}, {"Content-Length", "3"}});
  EXPECT_EQ(client.read_until("\r\n\r\n").find("Content-Length"), std::string::npos) << "the length is the server's";
  for (const std::string piece : {"one", "two", "three"}) {
    EXPECT_TRUE(exchange->send(piece));
    EXPECT_EQ(client.read_until(piece + "\r\n"), fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
  }
  EXPECT_TRUE(exchange->send(""));  // no chunk of zero bytes: it would end the body
  exchange->end();
  EXPECT_EQ(client.read_bytes(5), "0\r\n\r\n");
  EXPECT_FALSE(exchange->send("after the end"));
}

// A long answer is made as fast as the peer reads it, in pieces, and no thread waits for it.
TEST(HttpServer, MoreIsMadeWhenTheLastWasSent) {
  constexpr int kPieces = 40;
  constexpr std::size_t kBytes = 1 << 20;  // together far beyond unsent_bytes
  std::atomic<int> made{0};
  std::function<void(const Exchange&)> piece = [&](const Exchange& exchange) {
    const int number = made++;
    if (!exchange->send(std::string(kBytes, static_cast<char>('a' + number % 26)))) return;  // the peer has left
    if (number + 1 == kPieces) return exchange->end();
    exchange->when_sent([&piece, exchange] { EXPECT_TRUE(exchange->defer([&piece, exchange] { piece(exchange); })); });
  };
  HttpServerOptions options;
  options.workers = 2;
  Served served(
      [&](const Exchange& exchange) {
        if (exchange->request().path == "/short") return exchange->respond(text("short"));
        exchange->begin(200, {});
        piece(exchange);
      },
      options);
  RawClient client = served.client();
  client.send(get("/long"));
  EXPECT_TRUE(eventually([&] { return made > 0; }));
  EXPECT_EQ(served.client().ask(get("/short")).body, "short");
  EXPECT_LT(made, kPieces) << "nobody has read";
  const RawAnswer answer = client.answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body.size(), kPieces * kBytes);
  for (int i = 0; i < kPieces; ++i) EXPECT_EQ(answer.body[static_cast<std::size_t>(i) * kBytes], 'a' + i % 26);
  // A peer that goes away instead: what was kept for it is released.
  made = 0;
  {
    RawClient leaves = served.client();
    leaves.send(get("/long"));
    EXPECT_TRUE(eventually([&] { return made > 0; }));
  }
  EXPECT_TRUE(eventually([&] { return served.server.statistics().active == 0; }));
  EXPECT_LT(made, kPieces);
}

TEST(HttpServer, TwoHundredStreamsAtOnce) {
  Kept kept;
  HttpServerOptions options;
  options.workers = 2;
  Served served(kept.handler(), options);
  constexpr std::size_t kStreams = 200;
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kStreams; ++i) {
    clients.push_back(served.client());
    clients.back().send(get("/" + std::to_string(i)));
  }
  kept.wait(kStreams - 1);
  EXPECT_EQ(served.server.statistics().active, static_cast<int>(kStreams));
  std::thread engine([&] {  // one thread serves them all in turn, as an engine does
    for (const Exchange& exchange : kept.exchanges) exchange->begin(200, {});
    for (int step = 0; step < 20; ++step)
      for (const Exchange& exchange : kept.exchanges) EXPECT_TRUE(exchange->send(exchange->request().path + ";"));
    for (const Exchange& exchange : kept.exchanges) exchange->end();
  });
  for (std::size_t i = 0; i < kStreams; ++i) {
    std::string expected;
    for (int step = 0; step < 20; ++step) expected += "/" + std::to_string(i) + ";";
    const RawAnswer answer = clients[i].answer();
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(answer.body, expected);
  }
  engine.join();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().active == 0; }));
}

TEST(HttpServer, LargeAnswersAndBodies) {
  std::string large(20u << 20, ' ');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 23);
  Served served([&](const Exchange& exchange) { exchange->respond(text(exchange->request().body)); });
  RawClient client = served.client();
  std::thread writer([&] { client.send(post("/", large)); });
  const RawAnswer answer = client.answer();
  writer.join();
  EXPECT_TRUE(answer.body == large) << answer.body.size();
}

TEST(HttpServer, AHandlerThatThrowsOrForgetsGives500) {
  Served served([](const Exchange& exchange) {
    if (exchange->request().path == "/throw") throw std::runtime_error("secret");
    if (exchange->request().path == "/begin") {
      exchange->begin(200, {});
      exchange->send("part");
      throw 7;
    }
  });
  RawClient client = served.client();
  for (const char* path : {"/throw", "/forget"}) {
    const RawAnswer answer = client.ask(get(path));
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    EXPECT_EQ(answer.body, R"({"error":{"message":"the server failed to answer this request","type":"server_error",)"
                           R"("param":null,"code":"internal_error"}})");
  }
  const RawAnswer broken = client.ask(get("/begin"));
  EXPECT_FALSE(broken.whole) << "an answer that broke off must not look whole";
  EXPECT_TRUE(client.ends());
}

TEST(HttpServer, TheFirstAnswerStands) {
  Served served([](const Exchange& exchange) {
    exchange->respond(text("first"));
    exchange->respond(text("second", 500));
    exchange->begin(500, {});
    EXPECT_FALSE(exchange->send("third"));
    exchange->end();
  });
  RawClient client = served.client();
  EXPECT_EQ(client.ask(get("/")).body, "first");
  EXPECT_EQ(client.ask(get("/")).body, "first");
}

TEST(HttpServer, HeadersCannotSplitAnAnswer) {
  Served served([](const Exchange& exchange) {
    exchange->respond(
        {200, {{"Location", "/a\r\nSet-Cookie: x=1"}, {"Bad Name", "x"}, {"Connection", "upgrade"}}, "ok"});
  });
  RawClient client = served.client();
  const RawAnswer answer = client.ask(get("/"));
  EXPECT_EQ(answer.header("Location"), "/a  Set-Cookie: x=1");
  EXPECT_EQ(answer.header("Set-Cookie"), "");
  EXPECT_EQ(answer.head.find("Bad Name"), std::string::npos);
  EXPECT_EQ(answer.header("Connection"), "");
}

TEST(HttpServer, DisconnectIsNoticedWhileAnAnswerIsMade) {
  for (const bool began : {false, true}) {
    for (const std::string& ahead : {std::string(), get("/ahead"), std::string(200'000, 'x')}) {
      Kept kept;
      Served served(kept.handler());
      RawClient client = served.client();
      client.send(get("/"));
      const Exchange exchange = kept.wait();
      std::atomic<int> closed = 0;
      exchange->on_close([&] { ++closed; });
      if (began) {
        exchange->begin(200, {});
        client.read_until("\r\n\r\n");
      }
      client.send(ahead);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      EXPECT_EQ(closed, 0);
      EXPECT_TRUE(exchange->open());
      client.close();
      EXPECT_TRUE(eventually([&] { return closed == 1; })) << began << " " << ahead.size();
      EXPECT_FALSE(exchange->open());
      EXPECT_FALSE(exchange->send("nobody listens"));
      exchange->respond(text("nobody listens"));
      EXPECT_EQ(served.server.statistics().active, 0);
      int late = 0;
      exchange->on_close([&] { ++late; });
      EXPECT_EQ(late, 1) << "it has gone already: told at once";
      EXPECT_EQ(closed, 1);
    }
  }
}

TEST(HttpServer, OnCloseIsNotCalledWhenTheAnswerWasWhole) {
  Kept kept;
  Served served(kept.handler());
  RawClient client = served.client();
  client.send(get("/"));
  const Exchange exchange = kept.wait();
  auto held = std::make_shared<int>(0);
  exchange->on_close([held] { ++*held; });
  exchange->respond(text("whole"));
  EXPECT_EQ(client.answer().body, "whole");
  client.close();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 0; }));
  EXPECT_EQ(*held, 0);
  EXPECT_EQ(held.use_count(), 1) << "what the callback holds is released with the answer";
}

TEST(HttpServer, DrainLetsRunWhatRuns) {
  Kept kept;
  Served served(kept.handler());
  RawClient idle = served.client(), busy = served.client(), partial = served.client();
  busy.send(get("/"));
  partial.send("GET / HT");
  const Exchange exchange = kept.wait();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 3; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // no counter says that half a request line was read
  EXPECT_FALSE(served.server.drain(0.05));
  EXPECT_TRUE(idle.ends());
  EXPECT_THROW(served.client(), std::runtime_error);
  const RawAnswer refused = partial.ask("TP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.header("Retry-After"), "");
  EXPECT_EQ(refused.header("Connection"), "close");
  auto drained = std::async(std::launch::async, [&] { return served.server.drain(20); });
  exchange->respond(text("the last"));
  const RawAnswer last = busy.answer();
  EXPECT_EQ(last.body, "the last");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(drained.get());
  EXPECT_TRUE(busy.ends());
}

TEST(HttpServer, StopCutsAndExchangesOutliveIt) {
  Kept kept;
  auto served = std::make_unique<Served>(kept.handler());
  RawClient client = served->client(), idle = served->client();
  client.send(get("/"));
  const Exchange exchange = kept.wait();
  std::atomic<int> closed = 0;
  exchange->on_close([&] { ++closed; });
  exchange->begin(200, {});
  served->server.stop();
  served->server.stop();
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(client.ends());
  EXPECT_TRUE(idle.ends());
  served.reset();
  EXPECT_FALSE(exchange->send("x"));
  EXPECT_FALSE(exchange->open());
  exchange->end();
}

TEST(HttpServer, StopWithoutStart) {
  HttpServer server({}, echo);
  EXPECT_NE(server.port(), 0);
  EXPECT_TRUE(server.drain(0));
}

TEST(HttpServer, AddressesAndPorts) {
  HttpServerOptions options;
  options.address = "::1";
  Served v6([](const Exchange& exchange) { exchange->respond(text(exchange->request().peer)); }, options);
  EXPECT_EQ(RawClient(v6.server.port(), "::1").ask(get("/")).body, "::1");
  options.address = "::";
  Served both([](const Exchange& exchange) { exchange->respond(text(exchange->request().peer)); }, options);
  EXPECT_EQ(RawClient(both.server.port(), "::1").ask(get("/")).body, "::1");
  EXPECT_EQ(RawClient(both.server.port(), "127.0.0.1").ask(get("/")).body, "127.0.0.1");
  options.address = "0.0.0.0";
  Served any(echo, options);
  EXPECT_EQ(any.client().ask(get("/")).status, 200);
  options.address = "not an address";
  try {
    HttpServer bad(options, echo);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_NE(std::string(error.what()).find("not an address"), std::string::npos);
  }
  options.address = "127.0.0.1";
  options.port = any.server.port();
  try {
    HttpServer taken(options, echo);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::system);
    EXPECT_NE(std::string(error.what()).find("127.0.0.1 port " + std::to_string(options.port)), std::string::npos);
  }
}
