#include "server/clock.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace limpid {
namespace {

TEST(WallClock, DaysAndMonthsAreThoseOfUtc) {
  const UnixSeconds time = parse_date("2024-02-29") + 86'399;
  EXPECT_EQ(date_of(time), "2024-02-29");
  EXPECT_EQ(date_of(time + 1), "2024-03-01");
  EXPECT_EQ(start_of_day(time), parse_date("2024-02-29"));
  EXPECT_EQ(start_of_month(time), parse_date("2024-02-01"));
  EXPECT_EQ(start_of_next_month(time), parse_date("2024-03-01"));
  EXPECT_EQ(start_of_next_month(parse_date("2024-12-31")), parse_date("2025-01-01"));
  EXPECT_EQ(parse_date("1970-01-01"), 0);
}

TEST(WallClock, WhatIsNoDateIsRefused) {
  for (const char* text :
       {"", "2024-2-9", "2023-02-29", "2024-13-01", "2024-00-10", "2024/01/01", "20240101xx", "2024-01-01 "})
    EXPECT_THROW(parse_date(text), Error) << text;
}

}  // namespace
}  // namespace limpid
