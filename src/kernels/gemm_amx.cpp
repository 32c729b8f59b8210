// The product of training in bf16 with AMX (accelerated.h): the bits of gemm_rounded.h. A block of A is kept as rows of
// pairs, a panel of B as rows of pairs of two of its rows: each 16 x 64 bytes of them are a tile. All panels of B are
// made once for all rows of A: rounding costs about as much as multiplying.
#include "kernels/accelerated.h"
#include "kernels/gemm_rounded.h"

namespace limpid {
namespace {

constexpr std::int64_t kTileRows = 16, kTilePairs = 16;
constexpr std::int64_t kPairRows = 64;                // rows of A in a block: 32 KiB of pairs
constexpr std::int64_t kPairs = kReductionBlock / 2;  // of a row of A
constexpr std::int64_t kPanel = 32;                   // columns of B in a panel: 16 KiB of pairs
constexpr std::int64_t kWide = 512;                   // columns of B that are kept

// Palette 1. Tiles 0 to 3: sums (16 x 16); 4, 5: A; 6, 7: B.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// What was written is in memory: g++ 12's tile loads do not say that they read it.
inline void settle_memory() { __asm__ volatile("" ::: "memory"); }

// 16 values of `low`, then 16 of `high`, in bf16. Not by its intrinsic: g++ and clang have different types for it.
inline __m512i two_rounded(F32x16 low, F32x16 high) {
  __m512i result;
  __asm__("vcvtne2ps2bf16 %2, %1, %0" : "=v"(result) : "v"(high.v), "v"(low.v));
  return result;
}

inline F32x16 read(const float* p, std::int64_t left) {
  return left >= 16 ? load(p) : left > 0 ? load_partial(p, static_cast<int>(left)) : splat(0);
}

// Lane i: the bf16 of even's and of odd's lane i.
struct Pairing {
  __m512i order;
  Pairing() {
    alignas(64) std::uint16_t from[32];
    for (int i = 0; i < 32; ++i) from[i] = static_cast<std::uint16_t>(i / 2 + i % 2 * 16);
    order = _mm512_load_si512(from);
  }
  F32x16 operator()(F32x16 even, F32x16 odd) const {
    return {_mm512_castsi512_ps(_mm512_permutexvar_epi16(order, two_rounded(even, odd)))};
  }
};

// Pairs of A's block, (rows up to whole tiles, kPairs); what is beyond the block is zero.
inline void pair_a(const GemmBlock& p, const Pairing& pair, float* to) {
  const std::int64_t padded = whole_groups(p.n), tiled = (p.rows + kTileRows - 1) / kTileRows * kTileRows;
  if (p.g.a_row == 1 && !p.g.a_rows) {  // rows are neighbours: pairs of 16 rows, then transposed
    for (std::int64_t i = 0; i < p.rows; i += 16)
      for (std::int64_t r = 0; r < padded; r += 32) {
        F32x16 tile[16];
        LIMPID_UNROLL
        for (int k = 0; k < 16; ++k) {
          const std::int64_t at = r + 2 * k;
          const auto value = [&](std::int64_t q) {
            return q < p.n ? read(p.g.a + p.i0 + p.a_reduction(q) + i, p.rows - i) : splat(0);
          };
          tile[k] = pair(value(at), value(at + 1));
        }
        transpose(tile);
        LIMPID_UNROLL
        for (int k = 0; k < 16; ++k) store(to + (i + k) * kPairs + r / 2, tile[k]);
      }
    return;
  }
  const bool neighbours = p.g.a_reduction == 1 && !p.g.a_reductions;
  alignas(64) float gathered[kReductionBlock];
  for (std::int64_t i = 0; i < tiled; ++i) {
    const float* from = i < p.rows ? p.a_row(i) + p.r0 : gathered;
    if (i < p.rows && !neighbours) {
      for (std::int64_t r = 0; r < p.n; ++r) gathered[r] = p.a_row(i)[p.a_reduction(r)];
      from = gathered;
    }
    const std::int64_t n = i < p.rows ? p.n : 0;
    for (std::int64_t r = 0; r < padded; r += 32)
      _mm512_store_si512(to + i * kPairs + r / 2, two_rounded(read(from + r, n - r), read(from + r + 16, n - r - 16)));
  }
}

// Pairs of B, a panel after the other, each (kPairs, kPanel).
inline void pair_b(const GemmBlock& p, const Pairing& pair, float* to) {
  for (std::int64_t r = 0; r < whole_groups(p.n); r += 2) {
    const float *even = r < p.n ? p.b_row(r) : nullptr, *odd = r + 1 < p.n ? p.b_row(r + 1) : nullptr;
    for (std::int64_t c = 0; c < p.columns; c += 16) {
      const std::int64_t left = p.columns - c;
      store(to + c / kPanel * kPairs * kPanel + r / 2 * kPanel + c % kPanel,
            pair(even ? read(even + c, left) : splat(0), odd ? read(odd + c, left) : splat(0)));
    }
  }
}

// 16 or 32 rows by 16 or 32 columns of sums at `out`, rows `stride` bytes apart.
template <bool kTwoRows, bool kTwoColumns>
inline void tile_sums(const float* a, const float* b, std::int64_t pairs, float* out, std::size_t stride, bool onto) {
  constexpr std::size_t kA = kPairs * sizeof(float), kB = kPanel * sizeof(float);
  float* below = out + kTileRows * static_cast<std::int64_t>(stride / sizeof(float));
  settle_memory();
  if (onto) {
    _tile_loadd(0, out, stride);
    if constexpr (kTwoColumns) _tile_loadd(1, out + 16, stride);
    if constexpr (kTwoRows) _tile_loadd(2, below, stride);
    if constexpr (kTwoRows && kTwoColumns) _tile_loadd(3, below + 16, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (std::int64_t p = 0; p < pairs; p += kTilePairs) {
    _tile_loadd(4, a + p, kA);
    _tile_loadd(6, b + p * kPanel, kB);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kTwoColumns) {
      _tile_loadd(7, b + p * kPanel + 16, kB);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kTwoRows) {
      _tile_loadd(5, a + kTileRows * kPairs + p, kA);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kTwoColumns) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, out, stride);
  if constexpr (kTwoColumns) _tile_stored(1, out + 16, stride);
  if constexpr (kTwoRows) _tile_stored(2, below, stride);
  if constexpr (kTwoRows && kTwoColumns) _tile_stored(3, below + 16, stride);
  settle_memory();
}

// Up to 32 x 32 sums of the block at (i, c): where they lie, or by way of a buffer when they are no whole tiles.
inline void sums_at(const GemmBlock& p, const float* a, const float* b, std::int64_t i, std::int64_t c) {
  const std::int64_t rows = p.rows - i < 32 ? p.rows - i : 32, columns = p.columns - c < 32 ? p.columns - c : 32;
  const std::int64_t pairs = whole_groups(p.n) / 2;
  alignas(64) float buffer[32 * 32];
  const bool direct = rows % 16 == 0 && columns % 16 == 0 && !p.g.out_rows;
  float* out = direct ? p.out(i) + c : buffer;
  const std::size_t stride = direct ? static_cast<std::size_t>(p.g.out_stride) * sizeof(float) : 32 * sizeof(float);
  const auto bytes = static_cast<std::size_t>(columns) * sizeof(float);
  if (!direct && p.onto) {
    std::memset(buffer, 0, sizeof buffer);
    for (std::int64_t t = 0; t < rows; ++t) std::memcpy(buffer + 32 * t, p.out(i + t) + c, bytes);
  }
  if (rows > 16)
    columns > 16 ? tile_sums<true, true>(a + i * kPairs, b, pairs, out, stride, p.onto)
                 : tile_sums<true, false>(a + i * kPairs, b, pairs, out, stride, p.onto);
  else
    columns > 16 ? tile_sums<false, true>(a + i * kPairs, b, pairs, out, stride, p.onto)
                 : tile_sums<false, false>(a + i * kPairs, b, pairs, out, stride, p.onto);
  if (direct) return;
  for (std::int64_t t = 0; t < rows; ++t) std::memcpy(p.out(i + t) + c, buffer + 32 * t, bytes);
}

void gemm_amx(const GemmArgs& g) noexcept {
  alignas(64) float a[kPairRows * kPairs];
  alignas(64) float b[kPairs * kWide];
  const Pairing pair;
  const TileConfig config;
  __asm__ volatile("" ::"r"(&config) : "memory");  // nor that the configuration has more than eight bytes
  _tile_loadconfig(&config);
  const auto least = [](std::int64_t x, std::int64_t y) { return x < y ? x : y; };
  for (std::int64_t j = 0; j < g.columns; j += kWide) {
    std::int64_t r0 = 0;
    do {  // once at least: an empty sum is written too
      GemmBlock block{g,
                      0,
                      0,
                      r0,
                      least(g.reduction - r0, kReductionBlock),
                      j,
                      least(g.columns - j, kWide),
                      g.accumulate || r0 > 0};
      if (g.rows > 0) pair_b(block, pair, b);
      for (; block.i0 < g.rows; block.i0 += kPairRows) {
        block.rows = least(g.rows - block.i0, kPairRows);
        pair_a(block, pair, a);
        for (std::int64_t i = 0; i < block.rows; i += 32)
          for (std::int64_t c = 0; c < block.columns; c += kPanel) sums_at(block, a, b + c * kPairs, i, c);
      }
      r0 += block.n;
    } while (r0 < g.reduction);
  }
  _tile_release();
}

}  // namespace

void use_amx_gradients(GradientKernels& table) {
  table.gemm_bf16 = gemm_amx;
  table.fast_bf16 = true;
}

}  // namespace limpid
