// y = W x for weights in blocks of 256 values (K and IQ types), activations q8_256.
//
// A packed block of 16 rows x 256 values is decoded once, to a stack buffer that lies in the first-level cache, and then meets up to kTokenChunk
// tokens. The arithmetic of a block, the same for one token and for many and on every instruction set: exact integers
//   isum[r] = sum_j scale[j][r] * sum_{k in sub-block j} q[r][k] * x[k]      msum[r] = sum_j m[j][r] * sum_{k in j} x[k]
// and then one update in f32 (blocks ascending): y = fma(isum, d_w * d_x, y), and with minima y = fma(-msum, dmin_w * d_x, y). Types with signed
// quants store q + 2^kOffsetShift (so q is unsigned, as the dot products want it) and m = scale: isum - (msum << kOffsetShift) is exact.
// |isum| <= 256 * 127 * 255 * 32 < 2^29 for every type.
#pragma once

#include "kernels/linear_driver.h"
#include "kernels/linear_q256_simd.h"

namespace limpid {
namespace {

constexpr int kTokenChunk = 64;                     // accumulators of a chunk: 4 KB
constexpr int kAhead = 4096;                        // bytes that a prefetch is ahead of its use
constexpr int kBlockTile = kTokenTile > 8 ? 8 : 2;  // tokens of a register tile: two sums and a dot each

// Sixteen rows of a block, decoded. Types with sub-blocks of 32 use the first 8 scales.
struct alignas(64) Block256 {
  std::uint8_t quants[64][64];  // [k / 4][row * 4 + k % 4]
  std::int32_t scales[16][16];  // [sub-block][row]
  std::int32_t
      offsets[8][16];  // [k / 32][row]: m of the first 16 k in the low half, of the others in the high half, both int16
  float d[16];
  float dmin[16];
};

// What msum is for: nothing; minima with their own dmin; quants stored with an offset.
enum class Msum { none, minima, offset };

// Where Type::quants puts vector g (k 4g .. 4g + 3 of the 16 rows): into a block for many tokens,
struct StoreQuants {
  Block256& out;
  void operator()(int g, I8x64 w) const { store_bytes(out.quants[g], w); }
};
// A share of the lines that lie kAhead behind the block's own, with each vector of quants: all of them at once would wait for fill buffers.
template <typename Type>
inline void prefetch_share(const std::byte* packed, int g) {
  constexpr int kLines = (Type::kBytes + 3) / 4;  // of 16 rows: at most one for each g
  const int line = g * kLines / 64;
  if ((g + 1) * kLines / 64 != line) prefetch(packed + kAhead + 64 * line);
}
// or into the dot products of one token; g is a constant after unrolling, so the dots stay in registers.
template <typename Type>
struct DotQuants {
  const std::byte *a, *packed;  // 256 int8, the block
  I32x16 dots[256 / Type::kSub];
  void operator()(int g, I8x64 w) {
    prefetch_share<Type>(packed, g);
    I32x16& sum = dots[4 * g / Type::kSub];
    const I8x64 x = splat_four(a + 4 * g);
    sum = Type::kSigned ? dot_signed(sum, w, x) : dot(sum, w, x);
  }
};

struct TokenBlock {
  const std::byte* quants;  // 256 int8
  const std::byte* sums;    // 16 int16
  float d;
};

inline I32x16 ints_at(const std::int32_t* p) { return load_ints(reinterpret_cast<const std::byte*>(p)); }

// msum, and isum as it begins.
template <typename Type, int N>
inline void sum_offsets(const Block256& block, const TokenBlock* x, I32x16 (&isum)[N], I32x16 (&msum)[N]) {
  LIMPID_UNROLL
  for (int n = 0; n < N; ++n) isum[n] = msum[n] = zero_ints();
  if constexpr (Type::kMsum != Msum::none) {
    for (int p = 0; p < 8; ++p) {
      const I32x16 m = ints_at(block.offsets[p]);
      LIMPID_UNROLL
      for (int n = 0; n < N; ++n) msum[n] = dot_pairs(msum[n], m, as_ints(splat_four(x[n].sums + 4 * p)));
    }
  }
  if constexpr (Type::kMsum == Msum::offset) {
    LIMPID_UNROLL
    for (int n = 0; n < N; ++n) isum[n] = sub(isum[n], left<Type::kOffsetShift>(msum[n]));
  }
}

template <typename Type, int N>
inline void add_block(const Block256& block, const TokenBlock* x, const I32x16 (&isum)[N], const I32x16 (&msum)[N],
                      float (*acc)[16]) {
  const F32x16 d = load(block.d);
  LIMPID_UNROLL
  for (int n = 0; n < N; ++n) {
    F32x16 y = fma(to_float(isum[n]), mul(d, splat(x[n].d)), load(acc[n]));
    if constexpr (Type::kMsum == Msum::minima)
      y = fma(to_float(sub(zero_ints(), msum[n])), mul(load(block.dmin), splat(x[n].d)), y);
    store(acc[n], y);
  }
}

template <typename Type, int N>
inline void block_times_tokens(const Block256& block, const TokenBlock* x, float (*acc)[16]) {
  constexpr int kQuads = Type::kSub / 4;
  I32x16 isum[N], msum[N];
  sum_offsets<Type>(block, x, isum, msum);
  for (int j = 0; j < 256 / Type::kSub; ++j) {
    I32x16 dots[N];
    LIMPID_UNROLL
    for (int n = 0; n < N; ++n) dots[n] = zero_ints();
    LIMPID_UNROLL
    for (int g = j * kQuads; g < (j + 1) * kQuads; ++g) {
      const I8x64 w = load_bytes(reinterpret_cast<const std::byte*>(block.quants[g]));
      LIMPID_UNROLL
      for (int n = 0; n < N; ++n) {
        const I8x64 a = splat_four(x[n].quants + 4 * g);
        dots[n] = Type::kSigned ? dot_signed(dots[n], w, a) : dot(dots[n], w, a);
      }
    }
    const I32x16 scale = ints_at(block.scales[j]);
    LIMPID_UNROLL
    for (int n = 0; n < N; ++n) isum[n] = add(isum[n], mul(dots[n], scale));
  }
  add_block<Type>(block, x, isum, msum, acc);
}

// The same sums for one token, without the way through memory.
template <typename Type>
inline void block_times_token(const std::byte* packed, Block256& block, const TokenBlock& x, float (*acc)[16]) {
  I32x16 isum[1], msum[1];
  Type::scales(packed, block);
  sum_offsets<Type>(block, &x, isum, msum);
  DotQuants<Type> dots{x.quants, packed, {}};
  Type::quants(packed, dots);
  LIMPID_UNROLL
  for (int j = 0; j < 256 / Type::kSub; ++j) isum[0] = add(isum[0], mul(dots.dots[j], ints_at(block.scales[j])));
  add_block<Type>(block, &x, isum, msum, acc);
}

template <typename Type, int N>
inline void block_times_chunk(const Block256& block, const TokenBlock* x, int tokens, int first, float (*acc)[16]) {
  int t = first;
  for (; t + N <= tokens; t += N) block_times_tokens<Type, N>(block, x + t, acc + t);
  if constexpr (N > 1) block_times_chunk<Type, N / 2>(block, x, tokens, t, acc);
}

template <typename Type>
void linear_q256(const LinearArgs& args) noexcept {
  const std::int64_t padded = act_padded(args.columns);
  const std::int64_t blocks = padded / 256;
  Block256 block;
  alignas(64) float acc[kTokenChunk][16];
  TokenBlock x[kTokenChunk];
  const std::byte* rows[kTokenChunk];
  for (int first = 0; first < args.tokens; first += kTokenChunk) {
    const int tokens = args.tokens - first < kTokenChunk ? args.tokens - first : kTokenChunk;
    for (int t = 0; t < tokens; ++t) {
      const std::int64_t row = args.rows != nullptr ? args.rows[first + t] : first + t;
      rows[t] = args.activations + static_cast<std::size_t>(row) * args.activation_stride;
    }
    for (int strip = 0; strip < args.strips; ++strip) {
      const std::byte* packed = args.weight + static_cast<std::size_t>(strip) * args.strip_bytes;
      std::memset(acc, 0, sizeof acc[0] * static_cast<std::size_t>(tokens));
      for (std::int64_t b = 0; b < blocks; ++b, packed += Type::kBytes * kStripRows) {
        if constexpr (!Type::kFused)
          if (tokens == 1)
            for (int at = 0; at < Type::kBytes * kStripRows; at += 64) prefetch(packed + 4096 + at);
        for (int t = 0; t < tokens; ++t) {
          const std::byte* scales = rows[t] + padded;
          x[t] = {rows[t] + 256 * b, scales + 4 * blocks + 32 * b, float_at(scales + 4 * b)};
        }
        if constexpr (Type::kFused) {
          if (tokens == 1) {
            block_times_token<Type>(packed, block, x[0], acc);
            continue;
          }
        }
        Type::scales(packed, block);
        Type::quants(packed, StoreQuants{block});
        block_times_chunk<Type, kBlockTile>(block, x, tokens, 0, acc);
      }
      for (int t = 0; t < tokens; ++t) finish_strip(args, strip, first + t, load(acc[t]));
    }
  }
}

}  // namespace
}  // namespace limpid
