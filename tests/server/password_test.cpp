#include "server/password.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "server/api_error.h"

namespace limpid {
namespace {

PasswordOptions cheap() { return {64, 1, 1, 2}; }

TEST(Password, IsArgon2idWithItsParametersAndItsOwnSalt) {
  PasswordHasher hasher(cheap());
  const std::string a = hasher.hash("correct horse"), b = hasher.hash("correct horse");
  EXPECT_TRUE(a.starts_with("$argon2id$v=19$m=64,t=1,p=1$")) << a;
  EXPECT_NE(a, b);
  EXPECT_TRUE(hasher.check("correct horse", a).right);
  EXPECT_TRUE(hasher.check("correct horse", b).right);
  EXPECT_FALSE(hasher.check("correct horsf", a).right);
  EXPECT_FALSE(hasher.check("", a).right);
}

TEST(Password, NobodysPasswordIsWrong) {
  PasswordHasher hasher(cheap());
  EXPECT_FALSE(hasher.check("anything", "").right);
  EXPECT_FALSE(hasher.check("anything", "not a hash").right);
}

TEST(Password, OldParametersStayValidAndAreSeen) {
  PasswordHasher old(cheap());
  PasswordHasher fresh({128, 2, 1, 2});
  const std::string stored = old.hash("correct horse");
  EXPECT_FALSE(old.check("correct horse", stored).stale);
  EXPECT_TRUE(fresh.check("correct horse", stored).right);
  EXPECT_TRUE(fresh.check("correct horse", stored).stale);
  EXPECT_FALSE(fresh.check("wrong", stored).stale);
}

TEST(Password, AFloodIsRefusedAtOnceAndNeverTakesMoreMemory) {
  PasswordHasher hasher({1024, 2, 1, 2});
  const std::string stored = hasher.hash("correct horse");
  std::atomic<int> refused{0}, done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        try {
          hasher.check("wrong", stored);
          ++done;
        } catch (const ApiError& error) {
          EXPECT_EQ(error.status, 503);
          EXPECT_GT(error.retry_after_s, 0);
          ++refused;
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused + done, 320);
  EXPECT_GT(done, 0);
  EXPECT_LE(hasher.most_at_once(), 2);
}

// Both do the same work; the medians of many differ by noise only. With the same parameters, a lookup that skipped the
// hash would be a thousand times faster.
TEST(Password, AnUnknownNameTakesAsLongAsAWrongPassword) {
  PasswordHasher hasher({4096, 2, 1, 2});
  const std::string stored = hasher.hash("correct horse");
  const auto seconds = [&](const std::string& against) {
    const auto begin = std::chrono::steady_clock::now();
    hasher.check("wrong", against);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::vector<double> known, unknown;
  for (int i = 0; i < 41; ++i) {
    known.push_back(seconds(stored));
    unknown.push_back(seconds(""));
  }
  std::sort(known.begin(), known.end());
  std::sort(unknown.begin(), unknown.end());
  EXPECT_LT(unknown[20], 2 * known[20]);
  EXPECT_GT(unknown[20], known[20] / 2);
}

TEST(Password, Form) {
  EXPECT_NO_THROW(check_password_form("12345678"));
  EXPECT_THROW(check_password_form("1234567"), ApiError);
  EXPECT_NO_THROW(check_password_form(std::string(256, 'x')));
  EXPECT_THROW(check_password_form(std::string(257, 'x')), ApiError);
}

}  // namespace
}  // namespace limpid
