#include "server/throttle.h"

#include <gtest/gtest.h>

namespace limpid {
namespace {

TEST(Throttle, PausesDoubleAfterTheFreeFailuresUpToTheLongest) {
  Throttle throttle({3, 1, 60, 3600, 100});
  UnixSeconds now = 1000;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(throttle.wait("a", now), 0);
    throttle.failed("a", now);
  }
  EXPECT_EQ(throttle.wait("a", now), 0);
  for (const std::int64_t pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
    throttle.failed("a", now);
    EXPECT_EQ(throttle.wait("a", now), pause);
    EXPECT_EQ(throttle.wait("a", now + pause - 1), 1);
    now += pause;
    EXPECT_EQ(throttle.wait("a", now), 0);
  }
  EXPECT_EQ(throttle.wait("b", now), 0);
}

TEST(Throttle, SuccessAndQuietTimeForgive) {
  Throttle throttle({1, 8, 60, 600, 100});
  throttle.failed("a", 0);
  throttle.failed("a", 0);
  EXPECT_EQ(throttle.wait("a", 0), 8);
  throttle.succeeded("a");
  EXPECT_EQ(throttle.wait("a", 0), 0);
  throttle.failed("b", 0);
  throttle.failed("b", 0);
  throttle.failed("b", 700);  // the first again
  EXPECT_EQ(throttle.wait("b", 700), 0);
}

TEST(Throttle, RemembersABoundedNumberOfNames) {
  Throttle throttle({0, 1000, 1000, 100'000, 50});
  for (int i = 0; i < 500; ++i) {
    throttle.failed(std::to_string(i), i);
    throttle.failed("steady", i);
  }
  EXPECT_EQ(throttle.names(), 50u);
  EXPECT_GT(throttle.wait("steady", 500), 0);
  EXPECT_GT(throttle.wait("499", 500), 0);
  EXPECT_EQ(throttle.wait("1", 500), 0);
}

TEST(Throttle, AnIpv6AddressCountsByItsNetwork) {
  EXPECT_EQ(address_group("2001:db8:1:2:3:4:5:6"), address_group("2001:db8:1:2:ffff::1"));
  EXPECT_NE(address_group("2001:db8:1:2::1"), address_group("2001:db8:1:3::1"));
  EXPECT_EQ(address_group("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(address_group("::ffff:192.0.2.7"), "192.0.2.7");
}

}  // namespace
}  // namespace limpid
