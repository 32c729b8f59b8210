#include "engine/siphash.h"

#include <bit>
#include <cstring>

namespace limpid {

namespace {

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  }
  void absorb(std::uint64_t word) {
    v3 ^= word;
    round(), round();
    v0 ^= word;
  }
  std::uint64_t squeeze() {
    round(), round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

Hash128 siphash128(Hash128 key, std::span<const std::byte> data) {
  SipState state{0x736f6d6570736575ULL ^ key.low, 0x646f72616e646f6dULL ^ key.high ^ 0xee,
                 0x6c7967656e657261ULL ^ key.low, 0x7465646279746573ULL ^ key.high};
  const std::size_t whole = data.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data() + i, 8);
    state.absorb(word);
  }
  std::uint64_t last = 0;
  if (whole < data.size()) std::memcpy(&last, data.data() + whole, data.size() - whole);
  state.absorb(last | std::uint64_t{data.size()} << 56);
  state.v2 ^= 0xee;
  Hash128 result;
  result.low = state.squeeze();
  state.v1 ^= 0xdd;
  result.high = state.squeeze();
  return result;
}

}  // namespace limpid
