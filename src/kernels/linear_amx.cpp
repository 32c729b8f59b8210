// Blocks of 32 with AMX: a tile of activations (16 tokens x 32 k) times a tile of weights gives the exact int32 sums of
// one block for 16 tokens and 16 rows. The lanes of packed weights (4 consecutive k of row r) are the layout that the
// instruction asks of its second operand; Q8_0 is read where it lies. What follows the integer sum is the arithmetic
// of linear_blocks.h, operation by operation.
#include "kernels/accelerated.h"
#include "kernels/linear_blocks.h"
#include "tensor/dtype.h"

namespace limpid {
namespace {

constexpr int kTileTokens = 16;
constexpr int kScaleBlocks = 32;  // blocks whose scales are made ready together
constexpr int kUnpacked = 512;    // blocks (16384 k) of a strip that are unpacked once for all tokens, in 256 KB

// Palette 1. Tiles 0, 1: sums (16 tokens x 16 rows); 2, 3: activations (16 tokens x 32 bytes); 4, 5: weights (8 x 64).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 32, 32, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 8, 8};
};
static_assert(sizeof(TileConfig) == 64);

// Weights as signed bytes, 8 x 64, ready for the tile: at `buffer` or where the strip has them.
template <typename Quants>
inline const std::byte* signed_weights(const std::byte* quants, std::byte* buffer) {
  if constexpr (Quants::kBytes == 512) return quants;
  I8x64 w[8];
  Quants::read(quants, w);
  const __m512i offset = splat_byte(Quants::kSigned ? 128 : Quants::kOffset).v;
  LIMPID_UNROLL
  for (int g = 0; g < 8; ++g)
    _mm512_store_si512(buffer + 64 * g, Quants::kOffset == 0 ? w[g].v : _mm512_sub_epi8(w[g].v, offset));
  return buffer;
}

// What each token's blocks [first, first + count) multiply with: the scale, and scale * sum for the minima.
template <bool kMin>
struct Scales {
  alignas(64) float scale[kTileTokens][kScaleBlocks];
  alignas(64) float minimum[kMin ? kTileTokens : 1][kScaleBlocks];

  void read(const std::byte* const* rows, std::int64_t padded, std::int64_t first) {
    for (int t = 0; t < kTileTokens; ++t)
      for (int i = 0; i < kScaleBlocks && first + i < padded / 32; i += 8) {  // padded: a multiple of 8 blocks
        const __m256 s = _mm256_loadu_ps(reinterpret_cast<const float*>(rows[t] + padded) + first + i);
        _mm256_store_ps(scale[t] + i, s);
        if constexpr (kMin) {
          const auto* sums = reinterpret_cast<const std::int32_t*>(rows[t] + padded + padded / 8) + first + i;
          const __m256i sum = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
          _mm256_store_ps(minimum[t] + i, _mm256_mul_ps(s, _mm256_cvtepi32_ps(sum)));
        }
      }
  }
};

// What was written is in memory: g++ 12's tile loads do not say that they read it.
inline void settle_memory() { __asm__ volatile("" ::: "memory"); }

struct Rows16 {
  const std::byte* row[kTileTokens];
  std::size_t stride;  // between them, or 0 where they are scattered
};

// Sums of block b to `sums` (16 x 16), by tiles Which, Which + 2, Which + 4.
template <int Which>
inline void block_sums(const Rows16& tokens, std::int64_t b, const std::byte* weights, std::byte* gathered,
                       std::int32_t* sums) {
  const std::byte* from = tokens.row[0] + 32 * b;
  std::size_t stride = tokens.stride;
  if (stride == 0) {
    for (int t = 0; t < kTileTokens; ++t)
      _mm256_store_si256(reinterpret_cast<__m256i*>(gathered + 32 * t),
                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tokens.row[t] + 32 * b)));
    from = gathered;
    stride = 32;
  }
  settle_memory();
  if constexpr (Which == 0) {
    _tile_zero(0);
    _tile_loadd(2, from, stride);
    _tile_loadd(4, weights, 64);
    _tile_dpbssd(0, 2, 4);
    _tile_stored(0, sums, 64);
  } else {
    _tile_zero(1);
    _tile_loadd(3, from, stride);
    _tile_loadd(5, weights, 64);
    _tile_dpbssd(1, 3, 5);
    _tile_stored(1, sums, 64);
  }
}

// unpacked: the signed weights of the strip's blocks, or null to make them here.
template <typename Quants>
void tile16(const std::byte* strip, const std::byte* unpacked, std::int64_t columns, const Rows16& tokens,
            F32x16 (&sum)[kTileTokens]) {
  constexpr int kBytes = Blocks<Quants>::kBlockBytes;
  alignas(64) std::byte weights[2][512], gathered[2][512];
  alignas(64) std::int32_t products[2][256];
  Scales<Quants::kMin> scales;
  const std::int64_t padded = act_padded(columns), blocks = columns / 32;
  const auto start = [&](std::int64_t b) {
    const std::byte* block = strip + b * kBytes;
    const std::byte* w =
        unpacked ? unpacked + 512 * b : signed_weights<Quants>(block + kBytes - Quants::kBytes, weights[b % 2]);
    if (b % 2 == 0)
      block_sums<0>(tokens, b, w, gathered[0], products[0]);
    else
      block_sums<1>(tokens, b, w, gathered[1], products[1]);
  };
  LIMPID_UNROLL
  for (int t = 0; t < kTileTokens; ++t) sum[t] = splat(0);
  if (blocks > 0) start(0);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const auto i = static_cast<int>(b % kScaleBlocks);
    if (i == 0) scales.read(tokens.row, padded, b);
    if (b + 1 < blocks) start(b + 1);  // while the sums of b go on
    const F32x16 scale = load_f16(strip + b * kBytes);
    const std::int32_t* exact = products[b % 2];
    LIMPID_UNROLL
    for (int t = 0; t < kTileTokens; ++t) {
      const F32x16 dot = to_float({_mm512_load_si512(exact + 16 * t)});
      sum[t] = fma(dot, mul(scale, splat(scales.scale[t][i])), sum[t]);
      if constexpr (Quants::kMin) sum[t] = fma(load_f16(strip + b * kBytes + 32), splat(scales.minimum[t][i]), sum[t]);
    }
  }
}

template <typename Quants>
void run_tile16(const LinearArgs& args, int strip, const std::byte* unpacked, int token) {
  Rows16 tokens;
  tokens.stride = args.rows ? 0 : args.activation_stride;
  for (int t = 0; t < kTileTokens; ++t) {
    const std::int64_t row = args.rows ? args.rows[token + t] : token + t;
    tokens.row[t] = args.activations + static_cast<std::size_t>(row) * args.activation_stride;
  }
  F32x16 sum[kTileTokens];
  tile16<Quants>(args.weight + static_cast<std::size_t>(strip) * args.strip_bytes, unpacked, args.columns, tokens, sum);
  LIMPID_UNROLL
  for (int t = 0; t < kTileTokens; ++t) finish_strip(args, strip, token + t, sum[t]);
}

// Tokens [token, end) of one strip; what is left of them goes through AVX-512.
template <typename Quants>
void run_strip_amx(const LinearArgs& args, int strip, int token, int end, std::byte* buffer) {
  constexpr int kBytes = Blocks<Quants>::kBlockBytes;
  const std::int64_t blocks = args.columns / 32;
  const std::byte* unpacked = nullptr;
  if (Quants::kBytes != 512 && blocks <= kUnpacked && end - token >= 2 * kTileTokens) {
    const std::byte* from = args.weight + static_cast<std::size_t>(strip) * args.strip_bytes + kBytes - Quants::kBytes;
    for (std::int64_t b = 0; b < blocks; ++b) signed_weights<Quants>(from + b * kBytes, buffer + 512 * b);
    unpacked = buffer;
  }
  for (; token + kTileTokens <= end; token += kTileTokens) run_tile16<Quants>(args, strip, unpacked, token);
  run_strip<Blocks<Quants>>(args, strip, token, end);
}

// As linear() of linear_driver.h.
template <typename Quants>
void linear_amx(const LinearArgs& args) noexcept {
  if (args.tokens < kTileTokens) {
    linear<Blocks<Quants>>(args);
    return;
  }
  alignas(64) std::byte buffer[512 * kUnpacked];
  const TileConfig config;
  __asm__ volatile("" ::"r"(&config) : "memory");  // nor that the configuration has more than eight bytes
  _tile_loadconfig(&config);
  const std::size_t wanted = kTokenBlockBytes / (args.activation_stride ? args.activation_stride : 1);
  int block = static_cast<int>(wanted < 4096 ? wanted : 4096) / kTileTokens * kTileTokens;
  if (block < kTileTokens) block = kTileTokens;
  for (int first = 0; first < args.tokens; first += block) {
    const int end = first + block < args.tokens ? first + block : args.tokens;
    for (int strip = 0; strip < args.strips; ++strip) run_strip_amx<Quants>(args, strip, first, end, buffer);
  }
  _tile_release();
}

}  // namespace

void use_amx_products(KernelTable& table) {
  table.linear[static_cast<int>(DType::q4_0)] = linear_amx<Q4_0>;
  table.linear[static_cast<int>(DType::q4_1)] = linear_amx<Q4_1>;
  table.linear[static_cast<int>(DType::q5_0)] = linear_amx<Q5_0>;
  table.linear[static_cast<int>(DType::q5_1)] = linear_amx<Q5_1>;
  table.linear[static_cast<int>(DType::q8_0)] = linear_amx<Q8_0>;
  table.linear[static_cast<int>(DType::iq4_nl)] = linear_amx<Iq4Nl>;
}

}  // namespace limpid
