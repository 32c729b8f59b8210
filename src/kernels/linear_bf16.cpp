// BF16 with AVX512_BF16 (accelerated.h).
#include "kernels/accelerated.h"
#include "kernels/linear_driver.h"
#include "tensor/dtype.h"

namespace limpid {
namespace {

// sum = fma(even, even, fma(odd, odd, sum)) in one instruction, which takes and gives denormals as zeros always.
// Not by its intrinsic: clang 16 crashes where an operand comes from memory.
inline F32x16 dot_pairs(F32x16 sum, I8x64 w, I8x64 x) {
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum.v) : "v"(w.v), "v"(x.v));
  return sum;
}

struct Bf16Dots {
  static constexpr int kTile = kTokenTile;
  template <int T>
  static void tile(const std::byte* strip, std::int64_t columns, const std::byte* const* rows, F32x16 (&sum)[T]) {
    LIMPID_UNROLL
    for (int t = 0; t < T; ++t) sum[t] = splat(0);
    for (std::int64_t k = 0; k < columns; k += 2, strip += 64) {
      if constexpr (T == 1) prefetch(strip + 4096);
      const I8x64 w = load_bytes(strip);
      LIMPID_UNROLL
      for (int t = 0; t < T; ++t) sum[t] = dot_pairs(sum[t], w, splat_four(rows[t] + 2 * k));
    }
  }
};

}  // namespace

void use_bf16_products(KernelTable& table) { table.linear[static_cast<int>(DType::bf16)] = linear<Bf16Dots>; }

}  // namespace limpid
