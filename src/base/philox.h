// Philox 4x32-10, the counter-based random generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
// A number is a pure function of (key, counter): no state, so the draw for a token does not depend on batch mates, threads or order.
#pragma once

#include <array>
#include <cstdint>

namespace limpid {

using PhiloxBlock = std::array<std::uint32_t, 4>;

constexpr PhiloxBlock philox(std::uint64_t key, PhiloxBlock counter) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0], b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// Uniform in [0, 1) with 53 bits, for (seed, sequence, position).
constexpr double philox_uniform(std::uint64_t seed, std::uint64_t sequence, std::uint64_t position) {
  const PhiloxBlock block =
      philox(seed, {static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32),
                    static_cast<std::uint32_t>(sequence), static_cast<std::uint32_t>(sequence >> 32)});
  const std::uint64_t bits = (std::uint64_t{block[0]} << 21) ^ (block[1] >> 11);
  return static_cast<double>(bits & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
}

}  // namespace limpid
