// content_hash sees every bit, the length and the seed.
#include "base/content_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace limpid {
namespace {

TEST(ContentHash, EveryBitLengthAndSeedCounts) {
  std::set<std::uint64_t> seen;
  std::size_t made = 0;
  const auto add = [&](std::span<const std::byte> bytes, std::uint64_t seed) {
    seen.insert(content_hash(bytes, seed));
    ++made;
  };
  std::vector<std::byte> bytes(300);
  for (std::size_t length = 0; length <= bytes.size(); ++length)
    add({bytes.data(), length}, 0);  // zeros: only the length differs
  for (std::uint64_t seed = 1; seed <= 100; ++seed) add(bytes, seed);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    add(bytes, 0);
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_EQ(seen.size(), made);
}

TEST(ContentHash, TheSameSignTwiceIsNotUndone) {  // what a bare multiplication by an odd number would miss
  std::vector<std::byte> bytes(512, std::byte{0x3C});
  const std::uint64_t before = content_hash(bytes);
  for (const std::size_t other :
       {71U, 135U, 263U}) {  // the top bytes of the same word of the first lane, in later rounds
    bytes[7] ^= std::byte{0x80};
    bytes[other] ^= std::byte{0x80};
    EXPECT_NE(content_hash(bytes), before) << other;
    bytes[7] ^= std::byte{0x80};
    bytes[other] ^= std::byte{0x80};
  }
}

TEST(ContentHash, WhereBytesLieDoesNotMatter) {
  std::vector<std::byte> bytes(1000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37);
  std::vector<std::byte> moved(bytes.size() + 3);
  std::copy(bytes.begin(), bytes.end(), moved.begin() + 3);
  EXPECT_EQ(content_hash(std::span(moved).subspan(3)), content_hash(bytes));
}

}  // namespace
}  // namespace limpid
