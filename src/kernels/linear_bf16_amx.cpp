// BF16 with AMX (accelerated.h): 16 vectors of a packed strip (32 k of 16 rows) are the second operand of tdpbf16ps as
// they lie, rows of activations the first. What the instruction sums is the arithmetic of Bf16Pairs (linear_float.h),
// to the bit where denormals are flushed.
#include "kernels/accelerated.h"
#include "kernels/linear_float.h"
#include "tensor/dtype.h"

namespace limpid {
namespace {

constexpr int kTileTokens = 16, kBlockTokens = 32;  // tokens of a tile, and of two that share weights
constexpr int kFewTokens = 3;                    // up to here AVX-512 is used. By counting instructions, not measured
constexpr std::int64_t kGatheredColumns = 4096;  // of rows that are copied together: 256 KiB
constexpr std::size_t kGroupBytes = 16 * 64;     // of a strip's 32 k

// Palette 1. Tiles 0 to 3: sums (16 tokens x 16 rows); 4, 5: activations (16 x 32 k); 6, 7: weights.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// What was written is in memory: g++ 12's tile loads do not say that they read it.
inline void settle_memory() { __asm__ volatile("" ::: "memory"); }

struct Block {
  const std::byte* tokens;  // rows of activations, readable up to whole tiles
  std::size_t token_stride;
  const std::byte* strip;
  std::size_t strip_bytes;
  std::int64_t groups;  // of 32 k
};

// 16 or 32 tokens by one or two strips to `out`, rows `stride` bytes apart.
template <bool kTwoTiles, bool kTwoStrips>
inline void block_sums(const Block& b, float* out, std::size_t stride) {
  const std::byte* below = b.tokens + kTileTokens * b.token_stride;
  const std::byte* beside = b.strip + b.strip_bytes;
  float* out_below = out + kTileTokens * (stride / sizeof(float));
  settle_memory();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t g = 0; g < b.groups; ++g) {
    const auto at = static_cast<std::size_t>(g);
    _tile_loadd(4, b.tokens + 64 * at, b.token_stride);
    _tile_loadd(6, b.strip + kGroupBytes * at, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kTwoStrips) {
      _tile_loadd(7, beside + kGroupBytes * at, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kTwoTiles) {
      _tile_loadd(5, below + 64 * at, b.token_stride);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kTwoStrips) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, out, stride);
  if constexpr (kTwoStrips) _tile_stored(1, out + kStripRows, stride);
  if constexpr (kTwoTiles) _tile_stored(2, out_below, stride);
  if constexpr (kTwoTiles && kTwoStrips) _tile_stored(3, out_below + kStripRows, stride);
  settle_memory();
}

// `count` tokens from `token` on, whose rows begin at `rows`, by one or two strips.
inline void run_block(const LinearArgs& args, const std::byte* rows, std::size_t stride, int token, int count,
                      int strip) {
  const bool two_tiles = count > kTileTokens, two_strips = strip + 1 < args.strips;
  const int columns = two_strips ? 2 * kStripRows : kStripRows, first = strip * kStripRows;
  const Block block{rows, stride, args.weight + static_cast<std::size_t>(strip) * args.strip_bytes, args.strip_bytes,
                    (args.columns + 31) / 32};
  alignas(64) float buffer[kBlockTokens * 2 * kStripRows];
  const bool whole = count % kTileTokens == 0 && args.valid_rows - first >= columns,
             direct = whole && !args.bias && !args.accumulate;
  float* out = direct ? args.out + token * args.out_stride + first : buffer;
  const std::size_t out_stride =
      direct ? static_cast<std::size_t>(args.out_stride) * sizeof(float) : 2 * kStripRows * sizeof(float);
  if (two_tiles)
    two_strips ? block_sums<true, true>(block, out, out_stride) : block_sums<true, false>(block, out, out_stride);
  else
    two_strips ? block_sums<false, true>(block, out, out_stride) : block_sums<false, false>(block, out, out_stride);
  if (direct) return;
  for (int t = 0; t < count; ++t) {
    finish_strip(args, strip, token + t, load(buffer + 2 * kStripRows * t));
    if (two_strips) finish_strip(args, strip + 1, token + t, load(buffer + 2 * kStripRows * t + kStripRows));
  }
}

// Tokens [first, first + count) by AVX-512.
inline void run_plain(const LinearArgs& args, int first, int count) {
  LinearArgs part = args;
  part.tokens = count;
  part.out += first * args.out_stride;
  if (args.rows)
    part.rows += first;
  else
    part.activations += static_cast<std::size_t>(first) * args.activation_stride;
  linear<Bf16Pairs>(part);
}

void linear_amx(const LinearArgs& args) noexcept {
  const std::int64_t padded = (args.columns + 31) / 32 * 32;
  const auto row_bytes = static_cast<std::size_t>(padded) * 2;
  const int whole = args.tokens - args.tokens % kTileTokens;
  const bool gathers = padded <= kGatheredColumns;
  // What does not fit into whole tiles where it lies, and is too wide or too little to be copied together, goes first.
  const int tiled = args.tokens <= kFewTokens || (!gathers && args.rows) ? 0
                    : !gathers || args.tokens - whole <= kFewTokens      ? whole
                                                                         : args.tokens;
  if (tiled < args.tokens) run_plain(args, tiled, args.tokens - tiled);
  if (tiled == 0) return;
  alignas(64) std::byte gathered[kBlockTokens * kGatheredColumns * 2];
  const TileConfig config;
  __asm__ volatile("" ::"r"(&config) : "memory");  // nor that the configuration has more than eight bytes
  _tile_loadconfig(&config);
  for (int token = 0; token < tiled; token += kBlockTokens) {
    const int count = tiled - token < kBlockTokens ? tiled - token : kBlockTokens;
    const std::byte* rows = args.activations + static_cast<std::size_t>(token) * args.activation_stride;
    std::size_t stride = args.activation_stride;
    if (args.rows || count % kTileTokens != 0) {
      for (int t = 0; t < count; ++t) {
        const std::int64_t row = args.rows ? args.rows[token + t] : token + t;
        std::memcpy(gathered + static_cast<std::size_t>(t) * row_bytes,
                    args.activations + static_cast<std::size_t>(row) * args.activation_stride, row_bytes);
      }
      rows = gathered;
      stride = row_bytes;
    }
    for (int strip = 0; strip < args.strips; strip += 2) run_block(args, rows, stride, token, count, strip);
  }
  _tile_release();
}

}  // namespace

void use_amx_bf16_products(KernelTable& table) { table.linear[static_cast<int>(DType::bf16)] = linear_amx; }

}  // namespace limpid
