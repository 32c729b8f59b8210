#include "server/money.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace limpid {
namespace {

TEST(Money, IsReadAndWrittenExactly) {
  EXPECT_EQ(parse_money("12.5", "amount"), 12'500'000);
  EXPECT_EQ(parse_money("0.000001", "amount"), 1);
  EXPECT_EQ(parse_money("-3", "amount"), -3'000'000);
  EXPECT_EQ(parse_money("999999999.999999", "amount"), 999'999'999'999'999);
  EXPECT_EQ(format_money(12'500'000), "12.50");
  EXPECT_EQ(format_money(1), "0.000001");
  EXPECT_EQ(format_money(-1'230'000), "-1.23");
  EXPECT_EQ(format_money(0), "0.00");
  for (const Micros amount : {Micros{1}, Micros{140'000}, Micros{-999'999}, Micros{7'654'321}, kMostMicros - 1})
    EXPECT_EQ(parse_money(format_money(amount), "amount"), amount);
}

TEST(Money, WhatIsNoAmountIsRefusedWithItsField) {
  for (const char* text : {"", "-", ".", "1.", ".5", "1e3", "1,5", " 1", "1 ", "+1", "0.0000001", "1000000000", "--1",
                           "99999999999999999999", "1.2.3", "nan"}) {
    try {
      parse_money(text, "price.cached");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_NE(std::string(error.what()).find("price.cached"), std::string::npos);
    }
  }
}

TEST(Money, ARequestCostsByCachedComputedAndWrittenTokens) {
  const ModelPrice price{140'000, 550'000, 2'190'000};
  // 1000 cached: 140 micros, 500 computed: 275, 100 written: 219.
  EXPECT_EQ(cost(price, {1000, 1500, 100}), 140 + 275 + 219);
  EXPECT_EQ(cost(price, {0, 0, 0}), 0);
  EXPECT_EQ(cost(price, {0, 1, 0}), 1);  // 0.55 of a micro, rounded up
  EXPECT_EQ(cost(price, {5, 2, 0}), 1);  // no more cached than there are
}

TEST(Money, NoRequestCostsMoreThanItsReservation) {
  const ModelPrice prices[] = {{140'000, 550'000, 2'190'000}, {0, 0, 0}, {1, 1, 1}, {900'000, 100'000, 3}};
  for (const ModelPrice& price : prices)
    for (std::int64_t prompt = 0; prompt < 50; prompt += 7)
      for (std::int64_t most = 0; most < 40; most += 3)
        for (std::int64_t cached = 0; cached <= prompt; ++cached)
          for (std::int64_t written = 0; written <= most; ++written)
            ASSERT_LE(cost(price, {cached, prompt, written}), most_cost(price, {"m", prompt, most, 1}));
}

TEST(Money, HugeClaimsDoNotOverflow) {
  const ModelPrice dearest{1000 * kMicrosPerUnit, 1000 * kMicrosPerUnit, 1000 * kMicrosPerUnit};
  EXPECT_EQ(most_cost(dearest, {"m", INT64_MAX, INT64_MAX, 1}), 2'000'000 * kMicrosPerUnit);
  EXPECT_EQ(cost(dearest, {-5, -5, -5}), 0);
}

}  // namespace
}  // namespace limpid
