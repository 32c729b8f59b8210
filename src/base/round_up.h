// Sizes rounded up.
#pragma once

#include <concepts>

namespace limpid {

// The least multiple of `unit` that holds n. n >= 0, unit > 0, n + unit within the type.
template <std::integral T>
constexpr T round_up(T n, T unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace limpid
