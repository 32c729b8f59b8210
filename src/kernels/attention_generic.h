// Attention's kernels over F32x16, compiled once per instruction set by attention_<isa>.cpp. See kernels/attention.h
// for what each does and why the bits are the same everywhere: every lane does the same multiply-adds in the same order
// whatever the tile.
#pragma once

#include "kernels/attention.h"
#include "kernels/simd_math.h"

namespace limpid {
namespace {

// The types of a cache: how 16 values are read and written, and the bytes of one.
struct F32 {
  static constexpr int kBytes = 4;
  static F32x16 read(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static void write(std::byte* p, F32x16 x) { store(reinterpret_cast<float*>(p), x); }
  using Bits = std::uint32_t;
};
struct F16 {
  static constexpr int kBytes = 2;
  static F32x16 read(const std::byte* p) { return load_f16(p); }
  static void write(std::byte* p, F32x16 x) { store_f16(p, x); }
  using Bits = std::uint16_t;
};
struct Bf16 {
  static constexpr int kBytes = 2;
  static F32x16 read(const std::byte* p) { return load_bf16(p); }
  static void write(std::byte* p, F32x16 x) { store_bf16(p, x); }
  using Bits = std::uint16_t;
};
struct Q8 {
  static constexpr int kBytes = 1;
  static F32x16 read(const std::byte* p) { return load_i8(p); }
  static void write(std::byte* p, F32x16 x) { store_i8(p, x); }
  using Bits = std::uint8_t;
};

// M queries against 16 N positions from vector `first` of the page.
template <typename Type, int M, int N>
void score_tile(const AttentionScores& args, int first) {
  F32x16 sum[M][N];
  LIMPID_UNROLL
  for (int i = 0; i < M; ++i) {
    LIMPID_UNROLL
    for (int j = 0; j < N; ++j) sum[i][j] = splat(0);
  }
  const std::byte* keys = args.keys + first * 16 * Type::kBytes;
  const float* query = args.query;
  for (int d = 0; d < args.key_dim; ++d, keys += kPageTokens * Type::kBytes, query += M) {
    F32x16 k[N];
    for (int at = 0; at < N * 16 * Type::kBytes; at += 64) prefetch(keys + args.ahead + at);
    LIMPID_UNROLL
    for (int j = 0; j < N; ++j) k[j] = Type::read(keys + j * 16 * Type::kBytes);
    LIMPID_UNROLL
    for (int i = 0; i < M; ++i) {
      const F32x16 q = splat(query[i]);
      LIMPID_UNROLL
      for (int j = 0; j < N; ++j) sum[i][j] = fma(q, k[j], sum[i][j]);
    }
  }
  LIMPID_UNROLL
  for (int j = 0; j < N; ++j) {
    const F32x16 scale = args.key_scales ? load(args.key_scales + (first + j) * 16) : splat(1);
    LIMPID_UNROLL
    for (int i = 0; i < M; ++i) store(args.scores + i * kSpanTokens + (first + j) * 16, mul(sum[i][j], scale));
  }
}

template <typename Type, int M>
void score_rows(const AttentionScores& args) {
  const int vectors = (args.positions + 15) / 16;
  int v = 0;
  for (; v + kVectorTile <= vectors; v += kVectorTile) score_tile<Type, M, kVectorTile>(args, v);
  for (; v < vectors; ++v) score_tile<Type, M, 1>(args, v);
}

template <typename Type>
void scores(const AttentionScores& args) noexcept {
  switch (args.queries) {
    case 1:
      return score_rows<Type, 1>(args);
    case 2:
      return score_rows<Type, 2>(args);
    case 3:
      return score_rows<Type, 3>(args);
    case 4:
      return score_rows<Type, 4>(args);
    case 5:
      return score_rows<Type, 5>(args);
    default:
      return score_rows<Type, 6>(args);
  }
}

// Positions [begin, end) of the page, 16 N dimensions from vector `first`, for M queries whose weights and outputs are
// at these addresses.
template <typename Type, int M, int N>
void value_tile(const AttentionValues& args, const float* weights, int begin, int end, bool zero, float* out,
                int first) {
  F32x16 sum[M][N];
  LIMPID_UNROLL
  for (int i = 0; i < M; ++i) {
    LIMPID_UNROLL
    for (int j = 0; j < N; ++j) sum[i][j] = zero ? splat(0) : load(out + i * args.out_stride + (first + j) * 16);
  }
  const std::byte* row = args.values + static_cast<std::size_t>(begin) * args.value_stride + first * 16 * Type::kBytes;
  for (int p = begin; p < end; ++p, row += args.value_stride) {
    F32x16 v[N];
    for (int at = 0; at < N * 16 * Type::kBytes; at += 64) prefetch(row + args.ahead + at);
    LIMPID_UNROLL
    for (int j = 0; j < N; ++j) v[j] = Type::read(row + j * 16 * Type::kBytes);
    LIMPID_UNROLL
    for (int i = 0; i < M; ++i) {
      const F32x16 w = splat(weights[i * kSpanTokens + p]);
      LIMPID_UNROLL
      for (int j = 0; j < N; ++j) sum[i][j] = fma(w, v[j], sum[i][j]);
    }
  }
  LIMPID_UNROLL
  for (int i = 0; i < M; ++i) {
    LIMPID_UNROLL
    for (int j = 0; j < N; ++j) store(out + i * args.out_stride + (first + j) * 16, sum[i][j]);
  }
}

template <typename Type, int M>
void value_rows(const AttentionValues& args, const float* weights, int begin, int end, bool zero, float* out) {
  const int vectors = (args.value_dim + 15) / 16;
  int v = 0;
  for (; v + kVectorTile <= vectors; v += kVectorTile)
    value_tile<Type, M, kVectorTile>(args, weights, begin, end, zero, out, v);
  for (; v < vectors; ++v) value_tile<Type, M, 1>(args, weights, begin, end, zero, out, v);
}

template <typename Type>
void values(const AttentionValues& args) noexcept {
  const float* weights = args.weights;
  alignas(64) float scaled[kQueryTile * kSpanTokens];
  if (args.value_scales) {
    for (int i = 0; i < args.queries; ++i)
      for (int p = 0; p < args.limits[i]; p += 16) {
        const int at = i * kSpanTokens + p;
        store(scaled + at, mul(load(weights + at), load(args.value_scales + p)));
      }
    weights = scaled;
  }
  const int all = args.limits[0];  // positions that every query sees
  switch (args.queries) {
    case 1:
      value_rows<Type, 1>(args, weights, 0, all, args.first, args.out);
      break;
    case 2:
      value_rows<Type, 2>(args, weights, 0, all, args.first, args.out);
      break;
    case 3:
      value_rows<Type, 3>(args, weights, 0, all, args.first, args.out);
      break;
    case 4:
      value_rows<Type, 4>(args, weights, 0, all, args.first, args.out);
      break;
    case 5:
      value_rows<Type, 5>(args, weights, 0, all, args.first, args.out);
      break;
    default:
      value_rows<Type, 6>(args, weights, 0, all, args.first, args.out);
      break;
  }
  for (int i = 1; i < args.queries; ++i)
    if (args.limits[i] > all)
      value_rows<Type, 1>(args, weights + i * kSpanTokens, all, args.limits[i], false, args.out + i * args.out_stride);
}

template <typename Type>
F32x16 latent_vector(const AttentionLatent&, const std::byte* row, int d) {
  return Type::read(row + d * Type::kBytes);
}
template <>
inline F32x16 latent_vector<Q8>(const AttentionLatent& args, const std::byte* row, int d) {
  return mul(Q8::read(row + d), splat(reinterpret_cast<const float*>(row + args.scale_offset)[d / kLatentBlock]));
}

template <typename Type>
void latent(const AttentionLatent& args) noexcept {
  for (int p = 0; p < args.positions; ++p) {
    const std::byte* row = args.rows + static_cast<std::size_t>(p) * args.stride;
    float* out = args.chunk + p * kLatentChunk;
    for (int d = 0; d < args.columns; d += 16) store(out + d, latent_vector<Type>(args, row, args.first + d));
  }
}

// The sums of kPositionTile positions.
inline void latent_tile(const AttentionLatentScores& args, int position) {
  F32x16 sum[kPositionTile];
  float* sums = args.sums + position * kLatentQueries;
  LIMPID_UNROLL
  for (int p = 0; p < kPositionTile; ++p) sum[p] = args.begin ? splat(0) : load(sums + p * kLatentQueries);
  const float* keys = args.chunk + position * kLatentChunk;
  const float* query = args.query;
  // One line to prefetch with each step, row by row of this tile's positions.
  const int lines = args.next ? kPositionTile * args.next_lines : 0;
  const std::byte* next = args.next ? args.next + static_cast<std::size_t>(position) * args.next_stride : nullptr;
  for (int d = 0, line = 0; d < args.columns; ++d, ++keys, query += kLatentQueries) {
    if (d < lines) {
      prefetch(next + line * 64);
      if (++line == args.next_lines) {
        line = 0;
        next += args.next_stride;
      }
    }
    const F32x16 q = load(query);
    LIMPID_UNROLL
    for (int p = 0; p < kPositionTile; ++p) sum[p] = fma(q, splat(keys[p * kLatentChunk]), sum[p]);
  }
  LIMPID_UNROLL
  for (int p = 0; p < kPositionTile; ++p) store(sums + p * kLatentQueries, sum[p]);
}

inline void latent_scores(const AttentionLatentScores& args) noexcept {
  const int positions = (args.positions + 15) / 16 * 16;
  for (int p = 0; p < positions; p += kPositionTile) latent_tile(args, p);
  if (!args.end) return;
  for (int p = 0; p < positions; p += 16) {
    F32x16 block[16];
    LIMPID_UNROLL
    for (int i = 0; i < 16; ++i) block[i] = load(args.sums + (p + i) * kLatentQueries);
    transpose(block);
    LIMPID_UNROLL
    for (int i = 0; i < 16; ++i) store(args.scores + i * kSpanTokens + p, block[i]);
  }
}

template <typename Type>
void decode(const std::byte* in, std::int64_t n, float* out) noexcept {
  for (std::int64_t i = 0; i < n; i += 16) store(out + i, Type::read(in + i * Type::kBytes));
}

inline F32x16 load_row(const float* x, std::int64_t n, std::int64_t i) {
  return n - i >= 16 ? load(x + i) : load_partial(x + i, static_cast<int>(n - i));
}

template <typename Type>
void encode(const float* x, std::int64_t n, std::int64_t, std::byte* row, float*) noexcept {
  for (std::int64_t i = 0; i < n; i += 16) Type::write(row + i * Type::kBytes, load_row(x, n, i));
}

template <>
inline void encode<Q8>(const float* x, std::int64_t n, std::int64_t block, std::byte* row, float* scales) noexcept {
  const F32x16 limit = splat(127), zero = splat(0);
  for (std::int64_t begin = 0; begin < n; begin += block) {
    const std::int64_t end = begin + block < n ? begin + block : n;
    F32x16 largest = zero;
    for (std::int64_t i = begin; i < end; i += 16) {
      const F32x16 v = load_row(x, end, i);
      largest = max(largest, max(v, sub(zero, v)));
    }
    const float magnitude = max_lanes(largest);
    // Below 1e-30 the reciprocal would leave the range of floats: such a block is zero.
    const float scale = magnitude > 1e-30F ? magnitude / 127 : 0, inverse = magnitude > 1e-30F ? 127 / magnitude : 0;
    *scales++ = scale;
    for (std::int64_t i = begin; i < end; i += 16) {
      const F32x16 q = mul(load_row(x, end, i), splat(inverse));
      store_i8(row + i, max(min(q, limit), sub(zero, limit)));
    }
  }
}

template <typename Type>
void scatter(const std::byte* row, std::int64_t n, int slot, std::byte* keys) noexcept {
  const auto* in = reinterpret_cast<const typename Type::Bits*>(row);
  auto* out = reinterpret_cast<typename Type::Bits*>(keys) + slot;
  for (std::int64_t d = 0; d < n; ++d) out[d * kPageTokens] = in[d];
}

inline void pack_query(const float* x, std::int64_t n, float scale, int i, int queries, float* query) noexcept {
  for (std::int64_t d = 0; d < n; ++d) query[d * queries + i] = x[d] * scale;
}

inline void softmax(float* row, int n, float* maximum, float* sum) noexcept {
  const F32x16 lowest = splat(-3.4e38F);
  F32x16 top = lowest;
  for (int p = 0; p < n; p += 16) {
    const F32x16 s = load(row + p);
    top = max(top, n - p >= 16 ? s : first_of(s, lowest, n - p));
  }
  const float peak = max_lanes(top);
  F32x16 total = splat(0);
  for (int p = 0; p < n; p += 16) {
    F32x16 w = exp_negative(sub(load(row + p), splat(peak)));
    if (n - p < 16) w = first_of(w, splat(0), n - p);
    store(row + p, w);
    total = add(total, w);
  }
  *maximum = peak;
  *sum = sum_lanes(total);
}

inline float exp_one(float x) {
  alignas(64) float lane[16];
  store(lane, exp_negative(splat(x)));
  return lane[0];
}

inline void merge(float* maximum, float* sum, float* out, float later_maximum, float later_sum, const float* later,
                  std::int64_t n) noexcept {
  const float peak = *maximum > later_maximum ? *maximum : later_maximum;
  const float a = exp_one(*maximum - peak), b = exp_one(later_maximum - peak);
  *maximum = peak;
  *sum = *sum * a + later_sum * b;
  const F32x16 wa = splat(a), wb = splat(b);
  for (std::int64_t i = 0; i < n; i += 16) {
    const int left = n - i < 16 ? static_cast<int>(n - i) : 16;
    store_partial(out + i, fma(load_partial(out + i, left), wa, mul(load_partial(later + i, left), wb)), left);
  }
}

inline void finish(const float* x, float sum, std::int64_t n, float* y) noexcept {
  const F32x16 inverse = splat(1 / sum);
  for (std::int64_t i = 0; i < n; i += 16) {
    const int left = n - i < 16 ? static_cast<int>(n - i) : 16;
    store_partial(y + i, mul(load_partial(x + i, left), inverse), left);
  }
}

constexpr AttentionKernels kTable = {
    {scores<F32>, scores<F16>, scores<Bf16>, scores<Q8>},
    {values<F32>, values<F16>, values<Bf16>, values<Q8>},
    {latent<F32>, latent<F16>, latent<Bf16>, latent<Q8>},
    latent_scores,
    {decode<F32>, decode<F16>, decode<Bf16>, decode<Q8>},
    {encode<F32>, encode<F16>, encode<Bf16>, encode<Q8>},
    {scatter<F32>, scatter<F16>, scatter<Bf16>, scatter<Q8>},
    pack_query,
    softmax,
    merge,
    finish,
};

}  // namespace
}  // namespace limpid
