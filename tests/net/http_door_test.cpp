// HttpDoor: where a request waits, and who is answered before anything else is done for him. HttpExchange::defer.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/net/served.h"

using namespace limpid;
using namespace limpid::test;

namespace {

// The rank stands in the header "Rank"; "no": refused.
HttpPlace by_header(const ServedRequest& request) {
  HttpPlace place;
  const std::string rank(request.header("Rank"));
  place.share = request.header("Share");
  if (rank == "no")
    place.instead = [](const Exchange& exchange) { exchange->respond(text("not now", 429)); };
  else
    place.rank = rank.empty() ? 1 : std::stoi(rank);
  return place;
}

std::string ranked(int rank, const std::string& path) { return get(path, "Rank: " + std::to_string(rank) + "\r\n"); }

}  // namespace

TEST(HttpDoor, WhoRanksHigherIsHandledFirst) {
  HttpServerOptions options;
  options.workers = 1;
  std::atomic<bool> hold = true;
  std::mutex mutex;
  std::vector<std::string> order;
  Served served(
      [&](const Exchange& exchange) {
        {
          const std::lock_guard lock(mutex);
          order.push_back(exchange->request().path);
        }
        eventually([&] { return !hold; });
        exchange->respond(text("done"));
      },
      options, by_header);
  std::vector<RawClient> clients;
  const auto ask = [&](const std::string& request) {
    const int active = served.server.statistics().active;
    clients.push_back(served.client());
    clients.back().send(request);
    ASSERT_TRUE(eventually([&] { return served.server.statistics().active == active + 1; }));
  };
  ask(ranked(0, "/first"));
  ASSERT_TRUE(eventually([&] { return served.server.statistics().waiting == 0; }));
  ask(ranked(-7, "/stranger"));
  ask(ranked(0, "/free"));
  ask(ranked(10, "/paid"));
  hold = false;
  for (RawClient& client : clients) EXPECT_EQ(client.answer().body, "done");
  EXPECT_EQ(order, (std::vector<std::string>{"/first", "/paid", "/free", "/stranger"}));
}

TEST(HttpDoor, WhoLosesItsPlaceIsTold) {
  HttpServerOptions options;
  options.workers = 1;
  options.waiting_requests = 2;
  std::atomic<bool> hold = true;
  Served served(
      [&](const Exchange& exchange) {
        eventually([&] { return !hold; });
        exchange->respond(text("done"));
      },
      options, by_header);
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {  // one runs, two wait
    clients.push_back(served.client());
    clients.back().send(ranked(0, "/"));
    ASSERT_TRUE(eventually(
        [&] { return served.server.statistics().active == i + 1 && served.server.statistics().waiting == i; }));
  }
  RawClient payer = served.client();
  payer.send(ranked(10, "/"));
  const RawAnswer told = clients.back().answer();
  EXPECT_EQ(told.status, 503);
  EXPECT_EQ(told.header("Retry-After"), "1");
  EXPECT_EQ(served.server.statistics().shed, 1u);
  hold = false;
  EXPECT_EQ(payer.answer().body, "done");
  EXPECT_EQ(clients[0].answer().body, "done");
  EXPECT_EQ(clients[1].answer().body, "done");
  EXPECT_EQ(clients[2].ask(ranked(0, "/")).body, "done") << "its connection stays";
}

TEST(HttpDoor, ARefusalNeedsNoWorkerAndNoBody) {
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
      options, by_header);
  RawClient holder = served.client();
  holder.send(get("/"));
  ASSERT_TRUE(eventually([&] { return handled == 1; }));
  RawClient refused = served.client();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refused.ask(get("/", "Rank: no\r\n")).status, 429);
  EXPECT_EQ(refused.ask(post("/", "small", "Rank: no\r\n")).body, "not now");
  // Of a long body the head is enough.
  RawClient large = served.client();
  large.send("POST / HTTP/1.1\r\nHost: a\r\nRank: no\r\nContent-Length: 10000000\r\n\r\n" + std::string(1000, 'a'));
  const RawAnswer answer = large.answer();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("Connection"), "close");
  RawClient chunked = served.client();
  chunked.send("POST / HTTP/1.1\r\nHost: a\r\nRank: no\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n");
  EXPECT_EQ(chunked.answer().status, 429);
  EXPECT_EQ(handled, 1);
  hold = false;
  EXPECT_EQ(holder.answer().body, "done");
}

TEST(HttpDoor, ManyRefusalsAreHeldAndEndWithTheirPeers) {
  HttpServerOptions options;
  options.connections = 8;
  options.refusals_at_once = 2;
  options.refusal_hold = 0.3;
  Served served(echo, options, by_header);
  const std::string refused = get("/", "Rank: no\r\n");
  RawClient one = served.client();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(one.ask(refused).status, 429);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(one.ask(refused).status, 429);
  EXPECT_GT(seconds_since(begin), 0.59);
  // No more than half of the connections are held; who leaves makes room.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  for (int round = 0; round < 3; ++round) {
    std::vector<RawClient> held;
    for (int i = 0; i < 6; ++i) held.push_back(served.client());
    for (RawClient& client : held) client.send(refused);
    EXPECT_TRUE(eventually([&] { return served.server.statistics().requests >= 4u + 6u * (round + 1); }));
  }
  EXPECT_TRUE(eventually([&] { return served.server.statistics().connections == 1; }));
  EXPECT_EQ(one.ask(get("/")).status, 200);
  RawClient last = served.client();
  last.send(refused);
  served.server.stop();  // with one that is held
}

TEST(HttpDoor, ADoorThatThrowsCountsForNothing) {
  Served served(echo, {}, [](const ServedRequest&) -> HttpPlace { throw std::runtime_error("door"); });
  EXPECT_EQ(served.client().ask(get("/a")).status, 200);
}

TEST(HttpDoor, WhatIsDeferredHoldsUpNobody) {
  HttpServerOptions options;
  options.workers = 2;
  options.waiting_requests = 8;  // two places for what is deferred
  std::atomic<bool> hold = true;
  std::atomic<int> deferred = 0;
  Served served(
      [&](const Exchange& exchange) {
        if (exchange->request().path != "/long") return exchange->respond(text("done"));
        const bool accepted = exchange->defer([&, exchange] {
          ++deferred;
          EXPECT_TRUE(exchange->defer([&] { eventually([&] { return !hold; }); })) << "it is there already";
          exchange->respond(text("at last"));
        });
        if (!accepted) exchange->respond(text("no place", 503));
      },
      options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {  // one runs, two wait
    clients.push_back(served.client());
    clients.back().send(get("/long"));
    ASSERT_TRUE(eventually([&] { return served.server.statistics().waiting == i && deferred == 1; }));
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(served.client().ask(get("/short")).body, "done");
  EXPECT_EQ(served.client().ask(get("/long")).body, "no place");
  RawClient leaver = std::move(clients.back());
  clients.pop_back();
  leaver.close();
  ASSERT_TRUE(eventually([&] { return served.server.statistics().active == 2; }));
  hold = false;
  for (RawClient& client : clients) EXPECT_EQ(client.answer().body, "at last");
  EXPECT_TRUE(eventually([&] { return served.server.statistics().active == 0; }));
  EXPECT_EQ(deferred, 2) << "nobody waits for the one that left";
}
