// What HttpServer does with peers that send too much, too slowly, nonsense, or that do not read.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/net/served.h"

using namespace limpid;
using namespace limpid::test;

namespace {

double process_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

HttpServerOptions quick_server() {
  HttpServerOptions options;
  options.header_seconds = 0.5;
  options.body_seconds = options.idle_seconds = options.write_seconds = 0.3;
  return options;
}

void expect_refused(const HttpServer& server, std::string_view request, int status, std::string_view code) {
  RawClient client(server.port());
  const RawAnswer answer = client.ask(request);
  EXPECT_EQ(answer.status, status) << request.substr(0, 200);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_NE(answer.body.find("\"code\":\"" + std::string(code) + "\""), std::string::npos) << answer.body;
  EXPECT_NE(
      answer.body.find("\"type\":\"" + std::string(status == 503 ? "overloaded" : "invalid_request") + "_error\""),
      std::string::npos)
      << answer.body;
  EXPECT_TRUE(client.ends());
}

}  // namespace

TEST(HttpServerLimits, WhatIsRefusedIsAnsweredAndTheConnectionEnds) {
  HttpServerOptions options;
  options.header_bytes = 2000;
  options.body_bytes = 1000;
  Served served(echo, options);
  const HttpServer& server = served.server;
  expect_refused(server, get("/", "A: " + std::string(3000, 'a') + "\r\n"), 431, "headers_too_large");
  expect_refused(server, post("/", std::string(1001, 'a')), 413, "payload_too_large");
  expect_refused(server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n",
                 413, "payload_too_large");
  expect_refused(server, get("/../etc/passwd"), 400, "bad_request");
  expect_refused(server, "GET / HTTP/1.1\r\n\r\n", 400, "bad_request");
  expect_refused(server,
                 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                     get("/smuggled"),
                 400, "bad_request");
  expect_refused(server, std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400, "bad_request");
  EXPECT_EQ(server.statistics().bad_requests, 7u);
  EXPECT_EQ(server.statistics().requests, 0u);
}

TEST(HttpServerLimits, APeerThatStillSendsSeesTheRefusal) {
  HttpServerOptions options;
  options.body_bytes = 1000;
  Served served(echo, options);
  RawClient client = served.client();
  std::thread writer(
      [&] { client.send(post("/", std::string(8u << 20, 'a'))); });  // closed at once, it would see a reset
  EXPECT_EQ(client.answer().status, 413);
  writer.join();
}

TEST(HttpServerLimits, SlowHeadsAndBodiesTimeOut) {
  Served served(echo, quick_server());
  for (const std::string& start :
       {std::string("GET / HTTP/1.1\r\n"), std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")}) {
    RawClient client = served.client();
    const auto began = std::chrono::steady_clock::now();
    std::atomic<bool> over = false;
    client.send(start);
    std::thread dripping([&] {  // each byte in time, the whole never
      while (!over && client.send("a")) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
    EXPECT_EQ(client.answer().status, 408);
    EXPECT_GT(seconds_since(began), 0.25);
    over = true;
    dripping.join();
  }
  EXPECT_EQ(served.server.statistics().timeouts, 2u);
}

TEST(HttpServerLimits, AFastBodyMayTakeLonger) {
  HttpServerOptions options = quick_server();
  options.body_seconds = 0.2;
  Served served(echo, options);
  RawClient client = served.client();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n");
  for (int i = 0; i < 8; ++i) {  // 100 KB/s: more than the 16 KiB/s that are asked for
    client.send(std::string(10000, 'x'));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(client.answer().status, 200);
}

TEST(HttpServerLimits, IdleConnectionsEnd) {
  Served served(echo, quick_server());
  RawClient never = served.client(), used = served.client();
  EXPECT_EQ(used.ask(get("/")).status, 200);
  EXPECT_TRUE(never.ends(5));
  EXPECT_TRUE(used.ends(5));
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 0; }));
  EXPECT_EQ(served.server.statistics().timeouts, 0u) << "being idle is no fault";
}

TEST(HttpServerLimits, AnAnswerMayTakeLongerThanAnyTimeout) {
  Kept kept;
  Served served(kept.handler(), quick_server());
  RawClient client = served.client();
  client.send(get("/"));
  const Exchange exchange = kept.wait();
  exchange->begin(200, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  EXPECT_TRUE(exchange->send("late"));
  exchange->end();
  EXPECT_EQ(client.answer().body, "late");
}

TEST(HttpServerLimits, ASlowReaderOfAStreamIsCut) {
  Kept kept;
  HttpServerOptions options;
  options.unsent_bytes = 1u << 20;
  Served served(kept.handler(), options);
  RawClient client(served.server.port(), "127.0.0.1", 4096);
  client.send(get("/"));
  const Exchange exchange = kept.wait();
  std::atomic<int> closed = 0;
  exchange->on_close([&] { ++closed; });
  exchange->begin(200, {});
  const std::string piece(10'000, 'x');
  std::size_t sent = 0;
  while (exchange->send(piece) && sent < (100u << 20)) sent += piece.size();
  EXPECT_LT(sent, 20u << 20) << "what is not read is not kept";
  EXPECT_GT(sent, 900'000u);
  EXPECT_FALSE(exchange->open());
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_EQ(served.server.statistics().slow_readers, 1u);
  exchange->end();
  EXPECT_TRUE(client.ends());
}

TEST(HttpServerLimits, ASlowReaderOfAWholeAnswerIsCut) {
  Served served([](const Exchange& exchange) { exchange->respond(text(std::string(20u << 20, 'x'))); }, quick_server());
  RawClient stuck(served.server.port(), "127.0.0.1", 4096), dripping(served.server.port(), "127.0.0.1", 4096);
  stuck.send(get("/"));
  dripping.send(get("/"));
  for (int i = 0; i < 100 && served.server.statistics().slow_readers < 2; ++i) {
    dripping.read_bytes(1, 0.1);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  EXPECT_EQ(served.server.statistics().slow_readers, 2u);
  EXPECT_TRUE(eventually([&] { return served.server.statistics().active == 0; }));
}

TEST(HttpServerLimits, OverloadIsAnsweredAtOnceAndTheConnectionStays) {
  HttpServerOptions options;
  options.workers = 1;
  options.waiting_requests = 2;
  std::atomic<bool> hold = true;
  std::atomic<int> running = 0;
  Served served(
      [&](const Exchange& exchange) {
        ++running;
        eventually([&] { return !hold; });
        exchange->respond(text("done"));
      },
      options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(served.client());
    clients.back().send(get("/"));
    EXPECT_TRUE(eventually([&] { return running == 1 && served.server.statistics().active == i + 1; }));
  }
  EXPECT_EQ(served.server.statistics().waiting, 2);
  RawClient late = served.client();
  for (int i = 0; i < 3; ++i) {
    const RawAnswer answer = late.ask(get("/"));
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.header("Retry-After"), "1");
    EXPECT_EQ(answer.header("Connection"), "");
  }
  std::string many;
  for (int i = 0; i < 2000; ++i) many += get("/");
  late.send(many);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(late.answer().status, 503);
  hold = false;
  for (RawClient& client : clients) EXPECT_EQ(client.answer().body, "done");
  EXPECT_EQ(late.ask(get("/")).body, "done");
}

TEST(HttpServerLimits, LargeBodiesHoldUpNoSmallOnes) {
  HttpServerOptions options;
  options.workers = 4;
  options.waiting_requests = 8;
  std::atomic<bool> hold = true;
  std::atomic<int> running = 0, most = 0;
  Served served(
      [&](const Exchange& exchange) {
        if (!exchange->request().body.empty()) {
          most = std::max(most.load(), ++running);
          eventually([&] { return !hold; });
          --running;
        }
        exchange->respond(text("done"));
      },
      options);
  std::vector<RawClient> large;
  for (int i = 0; i < 4; ++i) {  // two run, two wait
    large.push_back(served.client());
    large.back().send(post("/", std::string(100'000, 'a')));
    EXPECT_TRUE(
        eventually([&] { return running == std::min(i + 1, 2) && served.server.statistics().active == i + 1; }));
  }
  EXPECT_EQ(served.server.statistics().waiting, 2);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(served.client().ask(get("/")).body, "done");
  EXPECT_EQ(served.client().ask(post("/", std::string(100'000, 'a'))).status, 503);  // a quarter of the places is taken
  hold = false;
  for (RawClient& client : large) EXPECT_EQ(client.answer().body, "done");
  EXPECT_EQ(most, 2);
}

TEST(HttpServerLimits, ARequestWhosePeerLeftIsNotHandled) {
  HttpServerOptions options;
  options.workers = 1;
  std::atomic<bool> hold = true;
  std::atomic<int> handled = 0;
  Served served(
      [&](const Exchange& exchange) {
        ++handled;
        eventually([&] { return !hold; });
        exchange->respond(text("done"));
      },
      options);
  RawClient first = served.client(), leaver = served.client(), last = served.client();
  first.send(get("/"));
  EXPECT_TRUE(eventually([&] { return handled == 1; }));
  leaver.send(get("/"));
  EXPECT_TRUE(eventually([&] { return served.server.statistics().waiting == 1; }));
  last.send(get("/"));
  EXPECT_TRUE(eventually([&] { return served.server.statistics().waiting == 2; }));
  leaver.close();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().active == 2; }));
  hold = false;
  EXPECT_EQ(last.answer().body, "done");
  EXPECT_EQ(handled, 2);
}

TEST(HttpServerLimits, ConnectionsInAllAndByAddress) {
  Kept kept;
  HttpServerOptions options;
  options.connections = 3;
  Served served(kept.handler(), options);
  std::vector<RawClient> busy;
  for (std::size_t i = 0; i < 2; ++i) {
    busy.push_back(served.client());
    busy.back().send(get("/"));
    kept.wait(i);
  }
  RawClient idle = served.client();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 3; }));
  RawClient fourth = served.client();
  EXPECT_TRUE(idle.ends()) << "the idle one makes room";
  EXPECT_EQ(served.server.statistics().evicted, 1u);
  fourth.send(get("/"));
  kept.wait(2);
  RawClient fifth = served.client();
  const RawAnswer refused = fifth.answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.header("Retry-After"), "");
  EXPECT_TRUE(fifth.ends());
  EXPECT_EQ(served.server.statistics().refused, 1u);
  for (const Exchange& exchange : kept.exchanges) exchange->respond(text("ok"));
  EXPECT_EQ(fourth.answer().body, "ok");
}

TEST(HttpServerLimits, ConnectionsByAddress) {
  HttpServerOptions options;
  options.connections_by_address = 2;
  options.address = "0.0.0.0";
  Served served(echo, options);
  RawClient one = served.client(), two = served.client();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 2; }));
  EXPECT_EQ(served.client().answer().status, 503);
  EXPECT_EQ(two.ask(get("/")).status, 200);
  one.close();
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 1; }));
  EXPECT_EQ(served.client().ask(get("/")).status, 200);
}

TEST(HttpServerLimits, BodiesOfAllTogether) {
  Kept kept;
  HttpServerOptions options;
  options.bodies_bytes = options.body_bytes = 1u << 20;
  Served served(kept.handler(), options);
  RawClient large = served.client(), second = served.client(), small = served.client();
  large.send(post("/", std::string(900'000, 'x')));
  kept.wait(0);
  second.send(post("/", std::string(400'000, 'x')));
  const RawAnswer refused = second.answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.header("Retry-After"), "");
  small.send(post("/", std::string(60'000, 'x')));
  kept.wait(1)->respond(text("small ones are served"));
  EXPECT_EQ(small.answer().status, 200);
  kept.wait(0)->respond(text("ok"));
  EXPECT_EQ(large.answer().status, 200);
  kept.exchanges.clear();  // releases the bodies
  RawClient third = served.client();
  for (std::size_t i = 0; i < 3; ++i) {
    third.send(post("/", std::string(1'000'000, 'x')));
    kept.wait(0)->respond(text("ok"));
    EXPECT_EQ(third.answer().status, 200);
    kept.exchanges.clear();
  }
}

TEST(HttpServerLimits, TooMuchSentAheadIsCut) {
  Kept kept;
  Served served(kept.handler());
  RawClient client = served.client();
  client.send(get("/"));
  const Exchange exchange = kept.wait();
  std::atomic<int> closed = 0;
  exchange->on_close([&] { ++closed; });
  client.send(std::string(2u << 20, 'x'));
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_EQ(served.server.statistics().bad_requests, 1u);
}

TEST(HttpServerLimits, GarbageEndsConnectionsAndNothingElse) {
  Served served(echo, quick_server());
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    RawClient client = served.client();
    std::string bytes = i % 2 ? post("/path?q", "0123456789", "Transfer-Encoding: chunked\r\n") : post("/", "body");
    for (int change = 0; change < 1 + i % 5; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (i % 3 == 0)
      for (char& c : bytes) c = static_cast<char>(random());
    client.send(bytes.substr(0, 1 + random() % bytes.size()));
    if (i % 7) client.finish_sending();
  }
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 0; }));
  EXPECT_TRUE(eventually([&] { return served.server.statistics().active == 0; }));
  EXPECT_EQ(served.client().ask(get("/")).status, 200);
}

TEST(HttpServerLimits, WithoutDescriptorsItWaitsAndGoesOn) {
  Served served(echo);
  RawClient before = served.client();
  EXPECT_EQ(before.ask(get("/")).status, 200);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  std::vector<int> filled;
  RawClient waiting = [&] {
    const int reserve = ::dup(0);
    rlimit few = old;
    few.rlim_cur = static_cast<rlim_t>(reserve) + 40;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    ::close(reserve);
    for (int next = ::dup(0); next >= 0; next = ::dup(0)) filled.push_back(next);
    ::close(filled.back());
    filled.pop_back();
    return served.client();  // takes the last one; the server has none to accept with
  }();
  waiting.send(get("/"));
  const double before_waiting = process_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(process_seconds() - before_waiting, 0.25) << "it must not spin";
  EXPECT_EQ(before.ask(get("/")).status, 200) << "those that are connected are served";
  for (const int descriptor : filled) ::close(descriptor);
  EXPECT_EQ(waiting.answer().status, 200);
  setrlimit(RLIMIT_NOFILE, &old);
}

TEST(HttpServerLimits, AnIdleServerComputesNothing) {
  Served served(echo);
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(served.client());
    EXPECT_EQ(clients.back().ask(get("/")).status, 200);
  }
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, 10) << "threads that wake for nothing";
}
