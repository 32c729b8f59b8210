// Blocks of 256 with AMX int8. The scales of a block are integers, so weights times scales are too: folded once for all
// tokens into planes of bytes (one where they fit, else low + 256 high), a whole block is a plain product of tiles and
// leaves them once. isum and msum are the exact integers of linear_q256.h and the f32 update is the same, so the bits
// are those of every other instruction set.
//
// Shapes: a group of up to two strips (32 rows) meets tiles of 16 tokens; the activations of a chunk are copied block
// by block first, so that every tile of them is 16 consecutive pieces, whether rows are scattered or missing (zeros).
#include <type_traits>

#include "kernels/accelerated.h"
#include "kernels/linear_iq.h"
#include "kernels/linear_k.h"
#include "kernels/tables.h"
#include "tensor/dtype.h"

namespace limpid {
namespace {

constexpr int kTileTokens = 16;
constexpr int kMaxTokens = 256;                   // of a chunk: accumulators of 32 KB
constexpr std::size_t kPanelBytes = 1536 * 1024;  // activations of a chunk: most of a second-level cache of 2 MB
constexpr int kTokenBytes = 256 + 32 + 4;         // of a block in the panel: int8, sums, scale

// What scale * quant becomes. kOdd: all are odd, so (v - 1) / 2 in a signed byte; kShifted: v + 124 in an unsigned one.
enum class Fold { two_planes, one_plane, odd, shifted };
template <typename Type>
constexpr Fold kFold = Fold::two_planes;
template <>
constexpr Fold kFold<Q2K> = Fold::one_plane;  // 0 .. 45
template <>
constexpr Fold kFold<Q3K> = Fold::shifted;  // -124 .. 128
template <>
constexpr Fold kFold<Iq1S> = Fold::odd;  // -135 .. 135
template <>
constexpr Fold kFold<Iq1M> = Fold::odd;
constexpr int kShift = 124;

template <typename T>
constexpr T least(T a, std::type_identity_t<T> b) {
  return a < b ? a : b;
}

// Tiles by number: g++'s intrinsics want literals and do not say that tile loads read memory.
template <int Tile>
inline void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
}
template <int Tile>
inline void tile_load(const void* p, std::size_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(Tile) : "memory");
}
template <int Tile>
inline void tile_store(void* p, std::size_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(Tile) : "memory");
}
// sums += activations (signed) * weights
template <int Sums, int A, int W, bool kSignedWeights>
inline void tile_dot() {
  if constexpr (kSignedWeights)
    __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(A), "i"(W));
  else
    __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(A), "i"(W));
}

// Palette 1, all eight tiles 16 x 64 bytes: 0..3 sums, 4, 5 activations, 6, 7 weights.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// A block of a strip after folding: quants are the low plane (or the only one), [k / 4][row * 4 + k % 4].
struct FoldedBlock : Block256 {
  alignas(64) std::uint8_t high[64][64];
};

// Where Type::quants puts a vector: scale * (w - offset), exact in 16 bits, then the planes.
template <typename Type>
struct FoldQuants {
  FoldedBlock& out;
  alignas(64) std::int32_t scale[256 / Type::kSub][16], offset[256 / Type::kSub][16];  // each twice as int16

  explicit FoldQuants(FoldedBlock& block) : out(block) {
    for (int j = 0; j < 256 / Type::kSub; ++j) {
      const I32x16 s = ints_at(block.scales[j]);
      I32x16 o = zero_ints();
      if constexpr (Type::kMsum == Msum::offset) o = left<Type::kOffsetShift>(s);
      if constexpr (kFold<Type> == Fold::shifted) o = sub(o, splat_int(kShift));
      store_ints(scale[j], pair(s, s));
      store_ints(offset[j], pair(o, o));
    }
  }
  void operator()(int g, I8x64 w) const {
    const int j = 4 * g / Type::kSub;
    const __m512i s = ints_at(scale[j]).v, o = ints_at(offset[j]).v, low_byte = _mm512_set1_epi16(255);
    const __m512i even = _mm512_sub_epi16(_mm512_mullo_epi16(_mm512_and_si512(w.v, low_byte), s), o);
    const __m512i odd = _mm512_sub_epi16(_mm512_mullo_epi16(_mm512_srli_epi16(w.v, 8), s), o);
    constexpr int kSelect = 0xCA;  // a ? b : c
    if constexpr (kFold<Type> == Fold::odd) {
      const __m512i upper = _mm512_slli_epi16(_mm512_srai_epi16(odd, 1), 8);
      _mm512_store_si512(out.quants[g],
                         _mm512_ternarylogic_epi32(low_byte, _mm512_srai_epi16(even, 1), upper, kSelect));
    } else {
      _mm512_store_si512(out.quants[g], _mm512_ternarylogic_epi32(low_byte, even, _mm512_slli_epi16(odd, 8), kSelect));
    }
    if constexpr (kFold<Type> == Fold::two_planes)
      _mm512_store_si512(out.high[g], _mm512_ternarylogic_epi32(low_byte, _mm512_srli_epi16(even, 8), odd, kSelect));
  }
};

template <typename Type>
void fold(const std::byte* packed, FoldedBlock& out) {
  Type::scales(packed, out);
  Type::quants(packed, FoldQuants<Type>(out));
}

// A block of a chunk's activations: quants[tokens][256], then sums[tokens][16], then scale[tokens].
struct PanelBlock {
  const std::byte *quants, *sums;
  const float* scale;
};
inline PanelBlock panel_block(const std::byte* panel, int tokens, std::int64_t b) {
  const auto n = static_cast<std::size_t>(tokens);
  const std::byte* block = panel + static_cast<std::size_t>(b) * n * kTokenBytes;
  return {block, block + 256 * n, reinterpret_cast<const float*>(block + 288 * n)};
}

// Rows [first, first + count) of the activations, then zeros up to `tokens`, a multiple of 16.
inline void fill_panel(const LinearArgs& args, int first, int count, int tokens, std::byte* panel) {
  const std::int64_t padded = act_padded(args.columns), blocks = padded / 256;
  for (int t = 0; t < tokens; ++t) {
    const std::int64_t row = t >= count ? 0 : args.rows != nullptr ? args.rows[first + t] : first + t;
    const std::byte* from = args.activations + static_cast<std::size_t>(row) * args.activation_stride;
    for (std::int64_t b = 0; b < blocks; ++b) {
      const PanelBlock to = panel_block(panel, tokens, b);
      auto* quants = const_cast<std::byte*>(to.quants) + 256 * t;
      auto* sums = const_cast<std::byte*>(to.sums) + 32 * t;
      auto* scale = const_cast<float*>(to.scale) + t;
      if (t < count) {
        std::memcpy(quants, from + 256 * b, 256);
        std::memcpy(sums, from + padded + 4 * blocks + 32 * b, 32);
        *scale = float_at(from + padded + 4 * b);
      } else {
        std::memset(quants, 0, 256);
        std::memset(sums, 0, 32);
        *scale = 0;
      }
    }
  }
}

// One strip (Strips 1) or two of them, with one tile of tokens or, where a strip has one plane, two: four sums.
template <typename Type, int Strips>
struct Group {
  static constexpr int kPlanes = kFold<Type> == Fold::two_planes ? 2 : 1;
  static constexpr int kTokenTiles = kPlanes == 1 ? 2 : 1;
  static constexpr bool kSignedLow = kFold<Type> == Fold::odd || kFold<Type> == Fold::one_plane;

  FoldedBlock block[Strips];
  alignas(64) std::int32_t products[2][4][16][16];  // [turn][sums][token][row]
  alignas(64) float acc[Strips][kMaxTokens][16];

  static constexpr int sums(int tile, int strip, int plane) { return (tile * Strips + strip) * kPlanes + plane; }

  template <int S, int P>
  void dots(int quad, int tiles) const {
    constexpr int kWeights = kPlanes == 2 ? 6 + P : 6 + S;
    tile_load<kWeights>(P == 0 ? block[S].quants[quad] : block[S].high[quad], 64);
    tile_dot<sums(0, S, P), 4, kWeights, P == 1 || kSignedLow>();
    if constexpr (kTokenTiles == 2)
      if (tiles == 2) tile_dot<sums(1, S, P), 5, kWeights, P == 1 || kSignedLow>();
  }
  // The products of a block with tokens [t, t + 16 tiles), on their way to products[turn].
  void start(const PanelBlock& x, int t, int tiles, int turn) {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
    for (int q = 0; q < 4; ++q) {
      const std::byte* a = x.quants + 256 * t + 64 * q;
      tile_load<4>(a, 256);
      if constexpr (kTokenTiles == 2)
        if (tiles == 2) tile_load<5>(a + 16 * 256, 256);
      dots<0, 0>(16 * q, tiles);
      if constexpr (kPlanes == 2) dots<0, 1>(16 * q, tiles);
      if constexpr (Strips == 2) {
        dots<1, 0>(16 * q, tiles);
        if constexpr (kPlanes == 2) dots<1, 1>(16 * q, tiles);
      }
    }
    tile_store<0>(products[turn][0], 64);
    if constexpr (Strips * kPlanes > 1 || kTokenTiles > 1) tile_store<1>(products[turn][1], 64);
    if constexpr (Strips * kPlanes * kTokenTiles > 2) {
      tile_store<2>(products[turn][2], 64);
      tile_store<3>(products[turn][3], 64);
    }
  }
  // Takes them up: the arithmetic of add_block in linear_q256.h.
  void finish(const PanelBlock& x, int t, int tiles, int turn) {
    F32x16 d[Strips], dmin[Strips];
    LIMPID_UNROLL
    for (int s = 0; s < Strips; ++s) {
      d[s] = load(block[s].d);
      if constexpr (Type::kMsum == Msum::minima) dmin[s] = load(block[s].dmin);
    }
    for (int tile = 0; tile < tiles; ++tile)
      for (int i = 0; i < kTileTokens; ++i) {
        const int token = t + kTileTokens * tile + i;
        const F32x16 scale = splat(x.scale[token]);
        I32x16 msum[Strips];
        LIMPID_UNROLL
        for (int s = 0; s < Strips; ++s) msum[s] = zero_ints();
        if constexpr (Type::kMsum == Msum::minima) {
          LIMPID_UNROLL
          for (int p = 0; p < 8; ++p) {
            const I32x16 a = as_ints(splat_four(x.sums + 32 * token + 4 * p));
            LIMPID_UNROLL
            for (int s = 0; s < Strips; ++s) msum[s] = dot_pairs(msum[s], ints_at(block[s].offsets[p]), a);
          }
        }
        LIMPID_UNROLL
        for (int s = 0; s < Strips; ++s) {
          I32x16 isum = ints_at(products[turn][sums(tile, s, 0)][i]);
          if constexpr (kPlanes == 2) isum = add(isum, left<8>(ints_at(products[turn][sums(tile, s, 1)][i])));
          if constexpr (kFold<Type> == Fold::odd) isum = add(left<1>(isum), splat_int(total(x, token)));
          if constexpr (kFold<Type> == Fold::shifted) isum = sub(isum, splat_int(kShift * total(x, token)));
          F32x16 y = fma(to_float(isum), mul(d[s], scale), load(acc[s][token]));
          if constexpr (Type::kMsum == Msum::minima)
            y = fma(to_float(sub(zero_ints(), msum[s])), mul(dmin[s], scale), y);
          store(acc[s][token], y);
        }
      }
  }
  // The sum of a token's block.
  static int total(const PanelBlock& x, int token) {
    const auto* sums = reinterpret_cast<const __m256i*>(x.sums + 32 * token);
    const __m256i pairs = _mm256_madd_epi16(_mm256_loadu_si256(sums), _mm256_set1_epi16(1));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
  }

  // Strips [strip, strip + Strips) times a chunk of `count` tokens, `tokens` with the zeros.
  void run(const LinearArgs& args, int strip, const std::byte* panel, int first, int count, int tokens) {
    const std::int64_t blocks = act_padded(args.columns) / 256;
    const std::byte* packed = args.weight + static_cast<std::size_t>(strip) * args.strip_bytes;
    for (int s = 0; s < Strips; ++s) std::memset(acc[s], 0, sizeof acc[0][0] * static_cast<std::size_t>(tokens));
    for (std::int64_t b = 0; b < blocks; ++b, packed += Type::kBytes * kStripRows) {
      for (int s = 0; s < Strips; ++s) fold<Type>(packed + static_cast<std::size_t>(s) * args.strip_bytes, block[s]);
      const PanelBlock x = panel_block(panel, tokens, b);
      constexpr int kStep = kTokenTiles * kTileTokens;
      const auto tiles = [&](int t) { return least(kTokenTiles, (tokens - t) / kTileTokens); };
      int turn = 0;
      start(x, 0, tiles(0), turn);
      for (int t = 0; t < tokens; t += kStep, turn ^= 1) {
        if (t + kStep < tokens) start(x, t + kStep, tiles(t + kStep), turn ^ 1);  // while the sums of t go on
        finish(x, t, tiles(t), turn);
      }
    }
    for (int s = 0; s < Strips; ++s)
      for (int t = 0; t < count; ++t) finish_strip(args, strip + s, first + t, load(acc[s][t]));
  }
};

template <typename Type, DType kType>
void linear_q256_amx(const LinearArgs& args) noexcept {
  const auto row_bytes = static_cast<std::size_t>(act_padded(args.columns) / 256 * kTokenBytes);
  const int most =
      static_cast<int>(least<std::size_t>(kMaxTokens, kPanelBytes / row_bytes)) / kTileTokens * kTileTokens;
  if (args.tokens < kTileTokens || most == 0) {
    linear_avx512_superblock(kType, args);
    return;
  }
  const int chunks = (args.tokens + most - 1) / most;  // of equal size: a small one at the end would unpack for few
  const int chunk = ((args.tokens + chunks - 1) / chunks + kTileTokens - 1) / kTileTokens * kTileTokens;
  alignas(64) std::byte panel[kPanelBytes];
  const TileConfig config;
  __asm__ volatile("ldtilecfg (%0)" : : "r"(&config) : "memory");
  for (int first = 0; first < args.tokens; first += chunk) {
    const int count = least(chunk, args.tokens - first);
    const int tokens = (count + kTileTokens - 1) / kTileTokens * kTileTokens;
    fill_panel(args, first, count, tokens, panel);
    int strip = 0;
    Group<Type, 2> two;
    for (; strip + 2 <= args.strips; strip += 2) two.run(args, strip, panel, first, count, tokens);
    if (strip < args.strips) {
      Group<Type, 1> one;
      one.run(args, strip, panel, first, count, tokens);
    }
  }
  __asm__ volatile("tilerelease");
}

template <DType kType, typename Type>
void set(KernelTable& table) {
  table.linear[static_cast<int>(kType)] = linear_q256_amx<Type, kType>;
}

}  // namespace

void use_amx_superblock_products(KernelTable& table) {
  set<DType::q2_k, Q2K>(table);
  set<DType::q3_k, Q3K>(table);
  set<DType::q4_k, Q4K>(table);
  set<DType::q5_k, Q5K>(table);
  set<DType::q6_k, Q6K>(table);
  set<DType::iq1_s, Iq1S>(table);
  set<DType::iq1_m, Iq1M>(table);
  set<DType::iq2_xxs, Iq2Xxs>(table);
  set<DType::iq2_xs, Iq2Xs>(table);
  set<DType::iq2_s, Iq2S>(table);
  set<DType::iq3_xxs, Iq3Xxs>(table);
  set<DType::iq3_s, Iq3S>(table);
  set<DType::iq4_xs, Iq4Xs>(table);
}

}  // namespace limpid
