#include "server/quota.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace limpid {
namespace {

constexpr UnixSeconds kStart = 1'737'374'400;  // 2025-01-20 12:00 UTC

Tier limited(WindowLimits requests, WindowLimits tokens, int concurrency = 0) {
  Tier tier;
  tier.requests = requests;
  tier.tokens = tokens;
  tier.concurrency = concurrency;
  return tier;
}

TEST(Quota, TheFourthOfThreeAMinuteWaitsForTheFirstToBeAMinuteOld) {
  const Tier tier = limited({3, 0, 0}, {});
  QuotaMeter meter;
  QuotaBooking booking;
  for (const int second : {0, 10, 20}) EXPECT_FALSE(meter.admit(tier, 1, kStart + second, &booking));
  const std::optional<QuotaRefusal> refusal = meter.admit(tier, 1, kStart + 25, &booking);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->what, "3 requests per minute");
  EXPECT_EQ(refusal->retry_after, 35);
  EXPECT_TRUE(meter.admit(tier, 1, kStart + 59, &booking));
  EXPECT_FALSE(meter.admit(tier, 1, kStart + 60, &booking));
  EXPECT_TRUE(meter.admit(tier, 1, kStart + 61, &booking));
}

TEST(Quota, DaysEndAtMidnightAndMonthsOnTheFirst) {
  const Tier tier = limited({0, 2, 3}, {});
  QuotaMeter meter;
  QuotaBooking booking;
  EXPECT_FALSE(meter.admit(tier, 1, kStart, &booking));
  EXPECT_FALSE(meter.admit(tier, 1, kStart, &booking));
  std::optional<QuotaRefusal> refusal = meter.admit(tier, 1, kStart, &booking);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->what, "2 requests per day");
  EXPECT_EQ(refusal->retry_after, 12 * 3600);
  const UnixSeconds midnight = kStart + 12 * 3600;
  EXPECT_TRUE(meter.admit(tier, 1, midnight - 1, &booking));
  EXPECT_FALSE(meter.admit(tier, 1, midnight, &booking));
  refusal = meter.admit(tier, 1, midnight + 5, &booking);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->what, "3 requests per month");
  EXPECT_EQ(refusal->retry_after, parse_date("2025-02-01") - midnight - 5);
  EXPECT_FALSE(meter.admit(tier, 1, parse_date("2025-02-01"), &booking));
}

TEST(Quota, TokensAreBookedAtTheirMostAndCorrectedAtTheEnd) {
  const Tier tier = limited({}, {1000, 0, 0});
  QuotaMeter meter;
  QuotaBooking first, second;
  EXPECT_FALSE(meter.admit(tier, 900, kStart, &first));
  EXPECT_TRUE(meter.admit(tier, 200, kStart + 1, &second));
  meter.settle(first, 300);
  EXPECT_EQ(meter.minute(kStart + 1).tokens, 300);
  EXPECT_FALSE(meter.admit(tier, 700, kStart + 1, &second));
  EXPECT_TRUE(meter.admit(tier, 1, kStart + 1, &first));
  meter.release(second);
  EXPECT_EQ(meter.minute(kStart + 1).tokens, 300);
  EXPECT_EQ(meter.minute(kStart + 1).requests, 1);
}

TEST(Quota, AskingForMoreThanTheLimitItselfIsNotAMatterOfWaiting) {
  const Tier tier = limited({}, {1000, 5000, 0});
  QuotaMeter meter;
  QuotaBooking booking;
  const std::optional<QuotaRefusal> refusal = meter.admit(tier, 1001, kStart, &booking);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->retry_after, 0);
  EXPECT_EQ(meter.running(), 0);
}

TEST(Quota, ConcurrencyCountsWhatRuns) {
  const Tier tier = limited({}, {}, 2);
  QuotaMeter meter;
  QuotaBooking a, b, c;
  EXPECT_FALSE(meter.admit(tier, 1, kStart, &a));
  EXPECT_FALSE(meter.admit(tier, 1, kStart, &b));
  const std::optional<QuotaRefusal> refusal = meter.admit(tier, 1, kStart, &c);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->retry_after, 1);
  meter.settle(a, 1);
  EXPECT_FALSE(meter.admit(tier, 1, kStart, &c));
  EXPECT_EQ(meter.running(), 2);
}

TEST(Quota, WhatEndsInAnotherDayOrMinuteIsCorrectedWhereItWasBooked) {
  const Tier tier = limited({}, {0, 1000, 0});
  QuotaMeter meter;
  QuotaBooking booking;
  const UnixSeconds late = start_of_day(kStart) + 86'399;
  EXPECT_FALSE(meter.admit(tier, 1000, late, &booking));
  EXPECT_EQ(meter.day(late + 1).tokens, 0);
  meter.settle(booking, 10);
  EXPECT_EQ(meter.day(late + 1).tokens, 0);
  EXPECT_EQ(meter.month(late + 1).tokens, 10);
}

TEST(Quota, AClockSetBackFreesNothing) {
  const Tier tier = limited({2, 0, 0}, {});
  QuotaMeter meter;
  QuotaBooking booking;
  EXPECT_FALSE(meter.admit(tier, 1, kStart, &booking));
  EXPECT_FALSE(meter.admit(tier, 1, kStart - 120, &booking));
  EXPECT_TRUE(meter.admit(tier, 1, kStart - 120, &booking));
}

// Random traffic against a plain list of what was admitted: no window is ever over its limit, a refusal has a reason,
// and Retry-After is exact: the same request is refused at every second before and accepted then.
TEST(Quota, RetryAfterIsTheFirstSecondThatWorks) {
  std::mt19937 random(7);
  const Tier tier = limited({6, 40, 0}, {500, 4000, 0});
  QuotaMeter meter;
  std::deque<std::pair<UnixSeconds, std::int64_t>> admitted;
  UnixSeconds now = start_of_day(kStart) + 86'400 - 900;
  int refusals = 0;
  for (int i = 0; i < 1500; ++i) {
    now += static_cast<int>(random() % 20);
    const auto tokens = static_cast<std::int64_t>(random() % 200 + 1);
    QuotaBooking booking;
    if (const std::optional<QuotaRefusal> refusal = meter.admit(tier, tokens, now, &booking)) {
      ++refusals;
      ASSERT_GT(refusal->retry_after, 0);
      QuotaMeter before = meter, then = meter;
      EXPECT_TRUE(before.admit(tier, tokens, now + refusal->retry_after - 1, &booking)) << refusal->what;
      EXPECT_FALSE(then.admit(tier, tokens, now + refusal->retry_after, &booking)) << refusal->what;
      continue;
    }
    admitted.emplace_back(now, tokens);
    meter.settle(booking, tokens);
    std::int64_t minute = 0, minute_tokens = 0, day = 0, day_tokens = 0;
    for (const auto& [time, count] : admitted) {
      if (time > now - 60) ++minute, minute_tokens += count;
      if (start_of_day(time) == start_of_day(now)) ++day, day_tokens += count;
    }
    ASSERT_LE(minute, 6);
    ASSERT_LE(minute_tokens, 500);
    ASSERT_LE(day, 40);
    ASSERT_LE(day_tokens, 4000);
    ASSERT_EQ(meter.minute(now).tokens, minute_tokens);
    ASSERT_EQ(meter.day(now).requests, day);
  }
  EXPECT_GT(refusals, 100);
  EXPECT_GT(admitted.size(), 60u);
}

}  // namespace
}  // namespace limpid
