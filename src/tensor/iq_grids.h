// The code books of the IQ types: groups of 8 (or 4) values named by an index. Stands alone: tables only, no state. The grids
// have internal linkage: kernels may not share symbols between instruction sets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/iq_grid_data.h"

namespace limpid {

namespace iq_data {
// Packed levels to bytes: value j of an entry is byte j (little-endian) of the word, as int8.
template <typename Word, std::size_t N, std::size_t L>
constexpr std::array<Word, N> spread(const std::array<std::uint16_t, N>& packed,
                                     const std::array<std::int8_t, L>& levels) {
  constexpr std::size_t kBits = sizeof(Word) == 8 ? 2 : 3;
  std::array<Word, N> words{};
  for (std::size_t i = 0; i < N; ++i) {
    for (std::size_t j = 0; j < sizeof(Word); ++j) {
      const auto level = static_cast<std::size_t>(packed[i] >> (kBits * j) & ((1 << kBits) - 1));
      words[i] |= static_cast<Word>(static_cast<std::uint8_t>(levels[level])) << (8 * j);
    }
  }
  return words;
}
}  // namespace iq_data

constexpr auto kGridIQ2_XXS = iq_data::spread<std::uint64_t>(iq_data::kIQ2_XXS, iq_data::kIQ2_XXSLevels);  // 256 x 8
constexpr auto kGridIQ2_XS = iq_data::spread<std::uint64_t>(iq_data::kIQ2_XS, iq_data::kIQ2_XSLevels);     // 512 x 8
constexpr auto kGridIQ2_S = iq_data::spread<std::uint64_t>(iq_data::kIQ2_S, iq_data::kIQ2_SLevels);        // 1024 x 8
constexpr auto kGridIQ1 = iq_data::spread<std::uint64_t>(iq_data::kIQ1, iq_data::kIQ1Levels);  // 2048 x 8, in -1..1
constexpr auto kGridIQ3_XXS = iq_data::spread<std::uint32_t>(iq_data::kIQ3_XXS, iq_data::kIQ3_XXSLevels);  // 256 x 4
constexpr auto kGridIQ3_S = iq_data::spread<std::uint32_t>(iq_data::kIQ3_S, iq_data::kIQ3_SLevels);        // 512 x 4
inline constexpr auto kValuesIQ4 = iq_data::kIQ4Values;  // 16, of IQ4_NL, IQ4_XS
inline constexpr float kShiftIQ1 = 0.125f;               // added to (or taken from) every value of IQ1_S and IQ1_M

// Value j of an entry.
template <typename Word>
constexpr int grid_value(Word entry, int j) {
  return static_cast<std::int8_t>(entry >> (8 * j));
}

// The signs of 8 values from the 7 bits stored: bit j set means value j is negative; the eighth makes the count of minuses even.
constexpr std::uint8_t iq_signs(unsigned bits) {
  const unsigned low = bits & 127;
  unsigned parity = low ^ low >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return static_cast<std::uint8_t>(low | (parity & 1) << 7);
}

}  // namespace limpid
