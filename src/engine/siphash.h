// SipHash-2-4 with a 128-bit result (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the 128-bit
// variant of the authors' reference). A keyed hash: whoever does not know the key cannot make two texts collide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace limpid {

struct Hash128 {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};

Hash128 siphash128(Hash128 key, std::span<const std::byte> data);

}  // namespace limpid

template <>
struct std::hash<limpid::Hash128> {
  std::size_t operator()(const limpid::Hash128& value) const noexcept { return value.low; }
};
