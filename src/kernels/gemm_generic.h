// The general product of kernels/gradient.h: register tiles of kGemmRows rows by kVectorTile vectors.
#pragma once

#include "kernels/gradient.h"
#include "kernels/simd.h"

namespace limpid {
namespace {

constexpr int kGemmRows = 6;  // 6 x 4 sums, 4 vectors of B and one of A in 32 registers
constexpr std::int64_t kReductionBlock =
    256;  // rows of B that stay in the first or second level cache over all rows of A

struct GemmPart {  // of a product: r in [begin, end), onto the sums that out holds, or from 0
  std::int64_t begin, end;
  bool onto;
};

// Rows [i, i + I), columns [j, j + 16 V); kLanes: only the first `lanes` of the last vector.
template <int I, int V, bool kPartial>
inline void gemm_tile(const GemmArgs& g, GemmPart part, std::int64_t i, std::int64_t j, int lanes) {
  const float* a[I];
  float* out[I];
  LIMPID_UNROLL
  for (int t = 0; t < I; ++t) {
    a[t] = g.a + (g.a_rows ? g.a_rows[i + t] : i + t) * g.a_row;
    out[t] = g.out + (g.out_rows ? g.out_rows[i + t] : i + t) * g.out_stride + j;
  }
  const auto read = [&](const float* p, int v) { return kPartial && v == V - 1 ? load_partial(p, lanes) : load(p); };
  F32x16 sum[I][V];
  LIMPID_UNROLL
  for (int t = 0; t < I; ++t) LIMPID_UNROLL
  for (int v = 0; v < V; ++v) sum[t][v] = part.onto ? read(out[t] + 16 * v, v) : splat(0);
  for (std::int64_t r = part.begin; r < part.end; ++r) {
    const float* b = g.b + (g.b_rows ? g.b_rows[r] : r) * g.b_stride + j;
    const std::int64_t at = (g.a_reductions ? g.a_reductions[r] : r) * g.a_reduction;
    F32x16 row[V];
    LIMPID_UNROLL
    for (int v = 0; v < V; ++v) row[v] = read(b + 16 * v, v);
    LIMPID_UNROLL
    for (int t = 0; t < I; ++t) {
      const F32x16 x = splat(a[t][at]);
      LIMPID_UNROLL
      for (int v = 0; v < V; ++v) sum[t][v] = fma(x, row[v], sum[t][v]);
    }
  }
  LIMPID_UNROLL
  for (int t = 0; t < I; ++t) LIMPID_UNROLL
  for (int v = 0; v < V; ++v) {
    if (kPartial && v == V - 1)
      store_partial(out[t] + 16 * v, sum[t][v], lanes);
    else
      store(out[t] + 16 * v, sum[t][v]);
  }
}

template <int V, bool kPartial>
inline void gemm_columns(const GemmArgs& g, GemmPart part, std::int64_t j, int lanes) {
  std::int64_t i = 0;
  for (; i + kGemmRows <= g.rows; i += kGemmRows) gemm_tile<kGemmRows, V, kPartial>(g, part, i, j, lanes);
  for (; i + 2 <= g.rows; i += 2) gemm_tile<2, V, kPartial>(g, part, i, j, lanes);
  for (; i < g.rows; ++i) gemm_tile<1, V, kPartial>(g, part, i, j, lanes);
}

inline void gemm(const GemmArgs& g) noexcept {
  GemmPart part{0, 0, g.accumulate};
  do {  // once at least: an empty sum is written too
    part.end = part.begin + kReductionBlock < g.reduction ? part.begin + kReductionBlock : g.reduction;
    std::int64_t j = 0;
    for (; j + 16 * kVectorTile <= g.columns; j += 16 * kVectorTile) gemm_columns<kVectorTile, false>(g, part, j, 16);
    if constexpr (kVectorTile > 2)  // heads of 32 values, and what is left of 96
      for (; j + 32 <= g.columns; j += 32) gemm_columns<2, false>(g, part, j, 16);
    for (; j + 16 <= g.columns; j += 16) gemm_columns<1, false>(g, part, j, 16);
    if (j < g.columns) gemm_columns<1, true>(g, part, j, static_cast<int>(g.columns - j));
    part.begin = part.end;
    part.onto = true;
  } while (part.begin < g.reduction);
}

}  // namespace
}  // namespace limpid
