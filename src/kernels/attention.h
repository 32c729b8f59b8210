// Kernels of attention over the paged cache: one thread, raw pointers, noexcept, no allocation; one table per
// instruction set, all giving the same bits. ops/attention.h says how they are put together, ops/cache_page.h where the
// bytes of a page are.
//
// Inside a page the keys of a head are transposed, (key_dim, 64 positions): 16 positions are the lanes of a vector, a
// score sums over key_dim in ascending order in its own lane, and no reduction across lanes is needed for one query or
// for many. Values are token-major, (64, value_dim): 16 dimensions are the lanes, an output sums over positions in
// ascending order. So a position that a query must not see (the future, or a free slot full of NaN) stays in its lane
// and is dropped.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/layout.h"

namespace limpid {

inline constexpr int kQueryTile =
    6;  // queries that share the loads of keys and values: 6 x 4 accumulators of 32 registers (AVX-512)
inline constexpr int kCacheTypes = 4;    // f32, f16, bf16, q8 (int8): the order of CacheType in ops/cache.h
inline constexpr int kLatentBlock = 32;  // values of a latent that share a scale in q8
inline constexpr int kLatentQueries =
    16;  // queries that meet a latent together: many heads share it, so they are the lanes
inline constexpr int kLatentChunk =
    64;  // columns of a decoded latent that lie together: a constant distance from position to position

// scores[i * kSpanTokens + p] = sum_d query[d * queries + i] * keys[d * 64 + p], times key_scales[p] unless null; p <
// positions rounded up to 16.
struct AttentionScores {
  const float* query;  // (key_dim, queries), already rotated and scaled
  int queries;         // 1..kQueryTile
  int key_dim;
  const std::byte* keys;    // (key_dim, 64) values of the type, 64-byte aligned
  const float* key_scales;  // (64), 64-byte aligned, or null
  int positions;            // 1..64
  std::ptrdiff_t ahead;     // bytes from these keys to what will be read next, to prefetch; 0: nothing
  float* scores;
};

// out[i * out_stride + d] (+)= sum_{p < limits[i]} weights[i * kSpanTokens + p] * values[p][d], p ascending; times
// value_scales[p] unless null. Query i reads no position from limits[i] on. limits ascend. d < value_dim rounded up to
// 16: rows of values and out are padded.
struct AttentionValues {
  const float* weights;
  const int* limits;        // (queries) 0..64
  int queries;              // 1..kQueryTile
  const std::byte* values;  // rows of the type, `value_stride` bytes apart, 16-byte aligned
  std::size_t value_stride;
  const float* value_scales;  // (64), 64-byte aligned, or null
  int value_dim;
  std::ptrdiff_t ahead;  // bytes from these values to what will be read next, to prefetch; 0: nothing
  bool first;            // out starts from zero
  float* out;
  std::int64_t out_stride;
};

// Columns [first, first + columns) of a page of latents, (64, dims) token-major, to f32: chunk (64, kLatentChunk),
// written to a multiple of 16 columns. A chunk stays in the first-level cache until all queries have met it.
struct AttentionLatent {
  const std::byte* rows;
  std::size_t stride;        // bytes from token to token
  std::size_t scale_offset;  // q8: where in a row its f32 scales begin, one per kLatentBlock values
  int first, columns;        // first is a multiple of kLatentChunk, columns 1..kLatentChunk
  int positions;             // 1..64
  float* chunk;
};

// Scores of kLatentQueries queries, the lanes of a vector, against a page of latents, chunk by chunk; the same sums as
// AttentionScores. p < positions rounded up to 16.
struct AttentionLatentScores {
  const float* query;  // (columns, kLatentQueries) of this chunk, rotated and scaled
  const float* chunk;
  int columns;
  int positions;    // 1..64
  bool begin, end;  // the first and the last chunk of the page
  // The columns that will be read next, to prefetch while computing: a row for each of these positions, or null.
  const std::byte* next;
  std::size_t next_stride;
  int next_lines;  // of 64 bytes in a row
  float* sums;     // (64, kLatentQueries), carried from chunk to chunk
  float* scores;   // scores[i * kSpanTokens + p], written with the last chunk
};

struct AttentionKernels {
  void (*scores[kCacheTypes])(const AttentionScores&) noexcept;
  void (*values[kCacheTypes])(const AttentionValues&) noexcept;
  void (*latent[kCacheTypes])(const AttentionLatent&) noexcept;
  void (*latent_scores)(const AttentionLatentScores&) noexcept;
  // n values (a multiple of 16) to f32, without scales.
  void (*decode[kCacheTypes])(const std::byte* in, std::int64_t n, float* out) noexcept;
  // A row of n floats to the type, rounded to nearest even and padded with zeros to a multiple of 16 values. q8: blocks
  // of `block` values (a multiple of 16, or >= n) share a scale, the largest magnitude / 127.
  void (*encode[kCacheTypes])(const float* x, std::int64_t n, std::int64_t block, std::byte* row,
                              float* scales) noexcept;
  // One encoded row of n values into column `slot` of transposed keys (n, 64).
  void (*scatter[kCacheTypes])(const std::byte* row, std::int64_t n, int slot, std::byte* keys) noexcept;
  // query[d * queries + i] = x[d] * scale
  void (*pack_query)(const float* x, std::int64_t n, float scale, int i, int queries, float* query) noexcept;
  // scores -> exp(scores - maximum), their maximum and sum (16 strided accumulators, then a tree). Reads and writes n
  // >= 1 values, rounded up to 16.
  void (*softmax)(float* scores, int n, float* maximum, float* sum) noexcept;
  // Two partial results of a query over neighbouring spans into the first: (maximum, sum, out[n]) each.
  void (*merge)(float* maximum, float* sum, float* out, float later_maximum, float later_sum, const float* later,
                std::int64_t n) noexcept;
  // y = x / sum
  void (*finish)(const float* x, float sum, std::int64_t n, float* y) noexcept;
};

// The tables of this build; null when the build leaves it out.
const AttentionKernels* scalar_attention();
const AttentionKernels* avx2_attention();
const AttentionKernels* avx512_attention();

}  // namespace limpid
