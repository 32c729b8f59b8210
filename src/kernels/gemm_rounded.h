// The general product of kernels/gradient.h on values rounded to bf16: blocks of A and B are rounded into buffers on the
// stack, as floats. For each 32 of the reduction the even and the odd ones are summed apart, each from 0, and their sum
// is added: what AMX's tdpbf16ps does (gemm_amx.cpp), with the same bits over any inputs where denormals are flushed.
#pragma once

#include "kernels/gemm_generic.h"
#include "kernels/simd_int.h"

namespace limpid {
namespace {

constexpr std::int64_t kPairGroup = 32;     // of the reduction, summed apart
constexpr std::int64_t kRoundedRows = 96;   // rows of A in a block: 96 KiB
constexpr std::int64_t kPanelColumns = 64;  // columns of B in a panel: 64 KiB
constexpr int kGroupRows = kVectorTile > 1 ? 6 : 3,
              kGroupVectors = kVectorTile > 1 ? 2 : 1;  // two sums each in registers

// bf16 in the high half of each lane, to nearest even; the low half is rest. NaN stays NaN. Plus 0: a denormal becomes
// zero where they are flushed, as in the processors' own conversion.
inline I32x16 rounded_high(F32x16 x) {
  const I32x16 bits = float_bits(select_ge(x, x, add(x, splat(0)), splat(__builtin_nanf(""))));
  return add(add(bits, both(right<16>(bits), splat_int(1))), splat_int(0x7FFF));
}
inline I32x16 high_half(I32x16 x) { return both(x, splat_int(static_cast<std::int32_t>(0xFFFF0000))); }
inline F32x16 rounded(F32x16 x) { return as_float(high_half(rounded_high(x))); }
inline F32x16 load_some(const float* p, std::int64_t left) {
  return left < 16 ? load_partial(p, static_cast<int>(left)) : load(p);
}
inline std::int64_t whole_groups(std::int64_t n) { return (n + kPairGroup - 1) / kPairGroup * kPairGroup; }

// Where values of a product's block are: rows [i0, i0 + rows), reductions [r0, r0 + n), columns from j.
struct GemmBlock {
  const GemmArgs& g;
  std::int64_t i0, rows, r0, n, j, columns;
  bool onto;
  const float* a_row(std::int64_t i) const { return g.a + (g.a_rows ? g.a_rows[i0 + i] : i0 + i) * g.a_row; }
  std::int64_t a_reduction(std::int64_t r) const {
    return (g.a_reductions ? g.a_reductions[r0 + r] : r0 + r) * g.a_reduction;
  }
  const float* b_row(std::int64_t r) const { return g.b + (g.b_rows ? g.b_rows[r0 + r] : r0 + r) * g.b_stride + j; }
  float* out(std::int64_t i) const { return g.out + (g.out_rows ? g.out_rows[i0 + i] : i0 + i) * g.out_stride + j; }
};

// A's block, rounded: value (i, r) at to[i * row + r * reduction]; r up to whole groups.
struct RoundedA {
  float* values;
  std::int64_t row, reduction;
};
inline void round_a(const GemmBlock& p, RoundedA& to) {
  const std::int64_t padded = whole_groups(p.n);
  const bool rows_neighbour = p.g.a_row == 1 && !p.g.a_rows;
  to.row = rows_neighbour ? 1 : kReductionBlock;
  to.reduction = rows_neighbour ? kRoundedRows : 1;
  if (rows_neighbour) {
    for (std::int64_t r = 0; r < padded; ++r)
      for (std::int64_t i = 0; i < p.rows; i += 16)
        store(to.values + r * kRoundedRows + i,
              r < p.n ? rounded(load_some(p.g.a + p.i0 + p.a_reduction(r) + i, p.rows - i)) : splat(0));
    return;
  }
  const bool reductions_neighbour = p.g.a_reduction == 1 && !p.g.a_reductions;
  alignas(64) float gathered[kReductionBlock];
  for (std::int64_t i = 0; i < p.rows; ++i) {
    const float* from = p.a_row(i) + p.r0;
    if (!reductions_neighbour) {
      for (std::int64_t r = 0; r < p.n; ++r) gathered[r] = p.a_row(i)[p.a_reduction(r)];
      from = gathered;
    }
    for (std::int64_t r = 0; r < padded; r += 16)
      store(to.values + i * kReductionBlock + r, r < p.n ? rounded(load_some(from + r, p.n - r)) : splat(0));
  }
}

inline void round_b(const GemmBlock& p, float* to) {
  for (std::int64_t r = 0; r < whole_groups(p.n); ++r, to += kPanelColumns)
    for (std::int64_t c = 0; c < p.columns; c += 16)
      store(to + c, r < p.n ? rounded(load_some(p.b_row(r) + c, p.columns - c)) : splat(0));
}

// Rows [i, i + I), V vectors from column c.
template <int I, int V>
inline void rounded_tile(const GemmBlock& p, const RoundedA& a, const float* b, std::int64_t i, std::int64_t c) {
  const auto lanes = [&](int v) { return p.columns - c - 16 * v; };
  F32x16 sum[I][V];
  for (int t = 0; t < I; ++t)
    for (int v = 0; v < V; ++v) sum[t][v] = p.onto ? load_some(p.out(i + t) + c + 16 * v, lanes(v)) : splat(0);
  for (std::int64_t r0 = 0; r0 < p.n; r0 += kPairGroup) {
    F32x16 even[I][V], odd[I][V];
    LIMPID_UNROLL
    for (int t = 0; t < I; ++t) LIMPID_UNROLL
    for (int v = 0; v < V; ++v) even[t][v] = odd[t][v] = splat(0);
    const float* x = a.values + i * a.row + r0 * a.reduction;
    const float* y = b + r0 * kPanelColumns + c;
    for (int r = 0; r < kPairGroup; r += 2, x += 2 * a.reduction, y += 2 * kPanelColumns) {
      LIMPID_UNROLL
      for (int t = 0; t < I; ++t) LIMPID_UNROLL
      for (int v = 0; v < V; ++v) even[t][v] = fma(splat(x[t * a.row]), load(y + 16 * v), even[t][v]);
      LIMPID_UNROLL
      for (int t = 0; t < I; ++t) LIMPID_UNROLL
      for (int v = 0; v < V; ++v)
        odd[t][v] = fma(splat(x[t * a.row + a.reduction]), load(y + kPanelColumns + 16 * v), odd[t][v]);
    }
    LIMPID_UNROLL
    for (int t = 0; t < I; ++t) LIMPID_UNROLL
    for (int v = 0; v < V; ++v) sum[t][v] = add(sum[t][v], add(even[t][v], odd[t][v]));
  }
  for (int t = 0; t < I; ++t)
    for (int v = 0; v < V; ++v) {
      float* to = p.out(i + t) + c + 16 * v;
      if (lanes(v) >= 16)
        store(to, sum[t][v]);
      else
        store_partial(to, sum[t][v], static_cast<int>(lanes(v)));
    }
}

template <int V>
inline void rounded_columns(const GemmBlock& p, const RoundedA& a, const float* b, std::int64_t c) {
  std::int64_t i = 0;
  for (; i + kGroupRows <= p.rows; i += kGroupRows) rounded_tile<kGroupRows, V>(p, a, b, i, c);
  for (; i < p.rows; ++i) rounded_tile<1, V>(p, a, b, i, c);
}

// f(block) for every block of the product, in an order in which every output is summed over r ascending.
// new_rows: A's part of the block is another than that of the block before.
template <typename F>
inline void each_block(const GemmArgs& g, std::int64_t block_rows, F f) {
  std::int64_t r0 = 0;
  do {  // once at least: an empty sum is written too
    const std::int64_t n = g.reduction - r0 < kReductionBlock ? g.reduction - r0 : kReductionBlock;
    for (std::int64_t i0 = 0; i0 < g.rows; i0 += block_rows)
      for (std::int64_t j = 0; j < g.columns; j += kPanelColumns) {
        const GemmBlock block{
            g, i0, g.rows - i0 < block_rows ? g.rows - i0 : block_rows,           r0,
            n, j,  g.columns - j < kPanelColumns ? g.columns - j : kPanelColumns, g.accumulate || r0 > 0};
        f(block, j == 0);
      }
    r0 += n;
  } while (r0 < g.reduction);
}

inline void gemm_rounded(const GemmArgs& g) noexcept {
  alignas(64) float a_values[kRoundedRows * kReductionBlock];
  alignas(64) float b[kReductionBlock * kPanelColumns];
  RoundedA a{a_values, 0, 0};
  each_block(g, kRoundedRows, [&](const GemmBlock& p, bool new_rows) {
    if (new_rows) round_a(p, a);
    round_b(p, b);
    std::int64_t c = 0;
    for (; c + 16 * kGroupVectors <= p.columns; c += 16 * kGroupVectors) rounded_columns<kGroupVectors>(p, a, b, c);
    for (; c < p.columns; c += 16) rounded_columns<1>(p, a, b, c);
  });
}

}  // namespace
}  // namespace limpid
