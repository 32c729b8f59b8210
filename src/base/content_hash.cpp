#include "base/content_hash.h"

#include <array>
#include <cstring>

namespace limpid {

namespace {

constexpr std::size_t kBlock = 64;  // bytes of a round: two words for each of four lanes

// The n-th output of the splitmix64 generator (Steele, Lea and Flood, 2014) from `seed`: the constants of the lanes.
constexpr std::uint64_t splitmix(std::uint64_t seed, std::uint64_t n) {
  std::uint64_t z = seed + (n + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

constexpr std::uint64_t key(std::uint64_t n) { return splitmix(0x6C696D706964, n); }

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const std::byte* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

// The lanes are variables, not an array, which g++ 12 keeps in memory: 27 GB/s on a core, 17 with an array (docs/log.md).
std::uint64_t content_hash(std::span<const std::byte> bytes, std::uint64_t seed) {
  std::uint64_t a = splitmix(seed, 0), b = splitmix(seed, 1), c = splitmix(seed, 2), d = splitmix(seed, 3);
  const auto round = [&](const std::byte* block) {
    a = fold(word(block) ^ key(0), word(block + 8) ^ a);
    b = fold(word(block + 16) ^ key(1), word(block + 24) ^ b);
    c = fold(word(block + 32) ^ key(2), word(block + 40) ^ c);
    d = fold(word(block + 48) ^ key(3), word(block + 56) ^ d);
  };
  const std::size_t whole = bytes.size() / kBlock * kBlock;
  for (std::size_t at = 0; at < whole; at += kBlock) round(bytes.data() + at);
  if (whole < bytes.size()) {
    std::array<std::byte, kBlock> last{};
    std::memcpy(last.data(), bytes.data() + whole, bytes.size() - whole);
    round(last.data());
  }
  std::uint64_t hash = splitmix(seed, bytes.size());
  for (const std::uint64_t lane : {a, b, c, d}) hash = fold(hash ^ key(4), lane ^ key(5));
  return splitmix(hash, 0);
}

}  // namespace limpid
