// The product of training in bf16 with AMX (accelerated.h): the bits of gemm_rounded.h. A block of A is kept as rows of
// pairs, a panel of B as rows of pairs of two of its rows: each 16 x 64 bytes of them are a tile.
#include "kernels/accelerated.h"
#include "kernels/gemm_rounded.h"

namespace limpid {
namespace {

constexpr std::int64_t kTileRows = 16, kTilePairs = 16;
constexpr std::int64_t kPairRows = 192;               // rows of A in a block: 96 KiB of pairs
constexpr std::int64_t kPairs = kReductionBlock / 2;  // of a row of A

// Palette 1. Tiles 0 to 3: sums (16 x 16); 4, 5: A; 6, 7: B.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// What was written is in memory: g++ 12's tile loads do not say that they read it.
inline void settle_memory() { __asm__ volatile("" ::: "memory"); }

inline F32x16 pair_of(F32x16 even, F32x16 odd) {
  return as_float(either(right<16>(rounded_high(even)), high_half(rounded_high(odd))));
}

// Pairs of A's block, (rows up to whole tiles, kPairs); what is beyond the block is zero.
inline void pair_a(const GemmBlock& p, float* to) {
  const std::int64_t padded = whole_groups(p.n), tiled = (p.rows + kTileRows - 1) / kTileRows * kTileRows;
  if (p.g.a_row == 1 && !p.g.a_rows) {  // rows are neighbours: pairs of 16 rows, then transposed
    for (std::int64_t i = 0; i < p.rows; i += 16)
      for (std::int64_t r = 0; r < padded; r += 32) {
        F32x16 tile[16];
        for (int k = 0; k < 16; ++k) {
          const std::int64_t at = r + 2 * k;
          const auto value = [&](std::int64_t q) { return q < p.n ? load_some(p.g.a + p.i0 + p.a_reduction(q) + i, p.rows - i) : splat(0); };
          tile[k] = pair_of(value(at), value(at + 1));
        }
        transpose(tile);
        for (int k = 0; k < 16; ++k) store(to + (i + k) * kPairs + r / 2, tile[k]);
      }
    return;
  }
  const bool neighbours = p.g.a_reduction == 1 && !p.g.a_reductions;
  alignas(64) float gathered[kReductionBlock];
  for (std::int64_t i = 0; i < tiled; ++i) {
    auto* row = reinterpret_cast<std::byte*>(to + i * kPairs);
    const float* from = i < p.rows ? p.a_row(i) + p.r0 : nullptr;
    if (from != nullptr && !neighbours) {
      for (std::int64_t r = 0; r < p.n; ++r) gathered[r] = p.a_row(i)[p.a_reduction(r)];
      from = gathered;
    }
    for (std::int64_t r = 0; r < padded; r += 16) store_bf16(row + 2 * r, from && r < p.n ? load_some(from + r, p.n - r) : splat(0));
  }
}

// Pairs of B's panel, (padded / 2, kPanelColumns).
inline void pair_b(const GemmBlock& p, float* to) {
  for (std::int64_t r = 0; r < whole_groups(p.n); r += 2, to += kPanelColumns)
    for (std::int64_t c = 0; c < p.columns; c += 16) {
      const auto value = [&](std::int64_t q) { return q < p.n ? load_some(p.b_row(q) + c, p.columns - c) : splat(0); };
      store(to + c, pair_of(value(r), value(r + 1)));
    }
}

// 16 or 32 rows by 16 or 32 columns of sums at `out`, rows `stride` bytes apart.
template <bool kTwoRows, bool kTwoColumns>
inline void tile_sums(const float* a, const float* b, std::int64_t pairs, float* out, std::size_t stride, bool onto) {
  constexpr std::size_t kA = kPairs * sizeof(float), kB = kPanelColumns * sizeof(float);
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
    _tile_loadd(6, b + p * kPanelColumns, kB);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kTwoColumns) {
      _tile_loadd(7, b + p * kPanelColumns + 16, kB);
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
    columns > 16 ? tile_sums<true, true>(a + i * kPairs, b + c, pairs, out, stride, p.onto)
                 : tile_sums<true, false>(a + i * kPairs, b + c, pairs, out, stride, p.onto);
  else
    columns > 16 ? tile_sums<false, true>(a + i * kPairs, b + c, pairs, out, stride, p.onto)
                 : tile_sums<false, false>(a + i * kPairs, b + c, pairs, out, stride, p.onto);
  if (direct) return;
  for (std::int64_t t = 0; t < rows; ++t) std::memcpy(p.out(i + t) + c, buffer + 32 * t, bytes);
}

void gemm_amx(const GemmArgs& g) noexcept {
  alignas(64) float a[kPairRows * kPairs];
  alignas(64) float b[kPairs * kPanelColumns];
  const TileConfig config;
  __asm__ volatile("" ::"r"(&config) : "memory");  // nor that the configuration has more than eight bytes
  _tile_loadconfig(&config);
  each_block(g, kPairRows, [&](const GemmBlock& p, bool new_rows) {
    if (new_rows) pair_a(p, a);
    pair_b(p, b);
    for (std::int64_t i = 0; i < p.rows; i += 32)
      for (std::int64_t c = 0; c < p.columns; c += 32) sums_at(p, a, b, i, c);
  });
  _tile_release();
}

}  // namespace

void use_amx_gradients(GradientKernels& table) { table.gemm_bf16 = gemm_amx; }

}  // namespace limpid
