// The loops around a product: strips by tiles of tokens. A weight type brings `tile`, which sums one strip for a tile
// of tokens; every lane of every token does the same operations whatever the tile, so tiles can be chosen freely.
//
//   struct Type {
//     static constexpr int kTile;            // tokens of the largest tile
//     template <int T> static void tile(const std::byte* strip, std::int64_t columns, const std::byte* const* rows,
//                                       F32x16 (&sum)[T]);
//   };
#pragma once

#include "kernels/kernels.h"
#include "kernels/simd_int.h"

namespace limpid {
namespace {

constexpr std::size_t kTokenBlockBytes = 512 * 1024;  // activations that stay in the second-level cache over the strips

// sum + bias, then onto what is there if asked, into the valid rows of a strip.
inline void finish_strip(const LinearArgs& args, int strip, int token, F32x16 sum) {
  const int first = strip * kStripRows, left = args.valid_rows - first;
  float* out = args.out + token * args.out_stride + first;
  if (left >= kStripRows) {
    if (args.bias) sum = add(sum, load(args.bias + first));
    if (args.accumulate) sum = add(load(out), sum);
    store(out, sum);
  } else {
    if (args.bias) sum = add(sum, load_partial(args.bias + first, left));
    if (args.accumulate) sum = add(load_partial(out, left), sum);
    store_partial(out, sum, left);
  }
}

template <typename Type, int T>
void run_tile(const LinearArgs& args, int strip, int token) {
  const std::byte* rows[T];
  for (int t = 0; t < T; ++t) {
    const std::int64_t row = args.rows ? args.rows[token + t] : token + t;
    rows[t] = args.activations + static_cast<std::size_t>(row) * args.activation_stride;
  }
  F32x16 sum[T];
  Type::template tile<T>(args.weight + static_cast<std::size_t>(strip) * args.strip_bytes, args.columns, rows, sum);
  LIMPID_UNROLL
  for (int t = 0; t < T; ++t) finish_strip(args, strip, token + t, sum[t]);
}

// Tokens [token, end) of one strip, in tiles of Type::kTile, then of 8, 4 and 1.
template <typename Type>
void run_strip(const LinearArgs& args, int strip, int token, int end) {
  for (; token + Type::kTile <= end; token += Type::kTile) run_tile<Type, Type::kTile>(args, strip, token);
  if constexpr (Type::kTile > 8)
    for (; token + 8 <= end; token += 8) run_tile<Type, 8>(args, strip, token);
  if constexpr (Type::kTile > 4)
    for (; token + 4 <= end; token += 4) run_tile<Type, 4>(args, strip, token);
  for (; token < end; ++token) run_tile<Type, 1>(args, strip, token);
}

template <typename Type>
void linear(const LinearArgs& args) noexcept {
  const std::size_t wanted = kTokenBlockBytes / (args.activation_stride ? args.activation_stride : 1);
  int block = static_cast<int>(wanted < 4096 ? wanted : 4096) / Type::kTile * Type::kTile;
  if (block < Type::kTile) block = Type::kTile;
  for (int token = 0; token < args.tokens; token += block) {
    const int end = token + block < args.tokens ? token + block : args.tokens;
    for (int strip = 0; strip < args.strips; ++strip) run_strip<Type>(args, strip, token, end);
  }
}

}  // namespace
}  // namespace limpid
