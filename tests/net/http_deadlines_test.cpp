#include "net/http_deadlines.h"

#include <gtest/gtest.h>

using limpid::Deadlines;

namespace {

Deadlines::Time at(int second) { return Deadlines::Time{} + std::chrono::seconds(second); }

}  // namespace

TEST(Deadlines, ExpireInOrderAndOnce) {
  Deadlines deadlines;
  std::string order;
  Deadlines::Entry a{[&] { order += 'a'; }}, b{[&] { order += 'b'; }}, c{[&] { order += 'c'; }};
  EXPECT_TRUE(deadlines.set(a, at(30)));
  EXPECT_TRUE(deadlines.set(b, at(10)));
  EXPECT_FALSE(deadlines.set(c, at(20)));
  EXPECT_EQ(deadlines.next(), at(10));
  deadlines.expire(at(25));
  EXPECT_EQ(order, "bc");
  deadlines.expire(at(29));
  deadlines.expire(at(30));
  deadlines.expire(at(99));
  EXPECT_EQ(order, "bca");
  EXPECT_EQ(deadlines.next(), Deadlines::kNever);
}

TEST(Deadlines, LaterEarlierNever) {
  Deadlines deadlines;
  int late = 0;
  Deadlines::Entry entry{[&] { ++late; }};
  deadlines.set(entry, at(10));
  EXPECT_FALSE(deadlines.set(entry, at(50)));
  EXPECT_EQ(deadlines.next(), at(10)) << "a later time costs nothing until the old one has come";
  deadlines.expire(at(10));
  EXPECT_EQ(late, 0);
  EXPECT_EQ(deadlines.next(), at(50));
  EXPECT_TRUE(deadlines.set(entry, at(20)));
  deadlines.set(entry, Deadlines::kNever);
  deadlines.expire(at(60));
  EXPECT_EQ(late, 0);
  EXPECT_EQ(deadlines.next(), Deadlines::kNever);
}

TEST(Deadlines, EntriesMayChangeWhileOthersExpire) {
  Deadlines deadlines;
  int late = 0;
  Deadlines::Entry other{[&] { late += 100; }};
  Deadlines::Entry entry;
  entry.late = [&] {
    if (++late < 3) deadlines.set(entry, at(late));
    deadlines.remove(other);
  };
  deadlines.set(entry, at(0));
  deadlines.set(other, at(2));
  deadlines.expire(at(5));
  EXPECT_EQ(late, 3);
}
