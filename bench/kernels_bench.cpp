// Speed of the products, one thread: one token over a weight that no cache holds (GB of packed weight per second), over one that is cached, and
// 512 tokens (billions of multiply-adds per second).
//   kernels_bench --benchmark_filter=prefill/Q4_0
#include <benchmark/benchmark.h>
#include <xmmintrin.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "tensor/pack.h"

namespace limpid {
namespace {

// One strip of random sound numbers, repeated. Scales are small f16; the quants any bytes.
HugeBuffer weight_of(DType type, std::int64_t rows, std::int64_t columns) {
  std::mt19937 random(1);
  const std::size_t bytes = row_bytes(type, columns), strip = packed_strip_bytes(type, columns);
  std::vector<std::byte> file(16 * bytes);
  // Bytes of 0x11..0x2F: small in every float type and as an f16 scale.
  for (std::byte& b : file) b = static_cast<std::byte>(0x11 + random() % 0x1F);
  const std::vector<float> scales(type == DType::f8_e4m3 ? static_cast<std::size_t>((columns + 127) / 128) : 0, 1.0F);
  HugeBuffer packed(packed_bytes(type, rows, columns));
  pack_strip(type, file, scales, 16, columns, 0, packed.data());
  for (std::size_t at = strip; at < packed.size(); at += strip) std::memcpy(packed.data() + at, packed.data(), strip);
  return packed;
}

void product(benchmark::State& state, const KernelTable& table, DType type, int tokens, std::int64_t rows,
             std::int64_t columns) {
  _mm_setcsr(_mm_getcsr() | 0x8040);  // denormals are flushed as on the engine's threads
  const HugeBuffer weight = weight_of(type, rows, columns);
  const ActType act = activation_of(type);
  const std::size_t stride = act_row_bytes(act, columns);
  HugeBuffer activations(stride * static_cast<std::size_t>(tokens));
  std::vector<float> x(static_cast<std::size_t>(columns)), out(static_cast<std::size_t>(tokens * rows));
  std::mt19937 random(2);
  for (float& v : x) v = static_cast<float>(random() % 2001) * 0.001F - 1;
  for (int t = 0; t < tokens; ++t)
    table.quantise[static_cast<int>(act)](x.data(), columns, activations.data() + static_cast<std::size_t>(t) * stride);
  LinearArgs args{};
  args.weight = weight.data();
  args.strip_bytes = packed_strip_bytes(type, columns);
  args.columns = columns;
  args.strips = static_cast<int>(rows / 16);
  args.valid_rows = static_cast<int>(rows);
  args.activations = activations.data();
  args.activation_stride = stride;
  args.tokens = tokens;
  args.out = out.data();
  args.out_stride = rows;
  for (auto _ : state) {
    table.linear[static_cast<int>(type)](args);
    benchmark::ClobberMemory();
  }
  const auto passes = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(passes * static_cast<double>(weight.size()) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] = benchmark::Counter(
      passes * static_cast<double>(tokens) * static_cast<double>(rows * columns) * 1e-9, benchmark::Counter::kIsRate);
}

void register_all() {
  for (const KernelTable* table : {avx512_kernels(), avx2_kernels(), scalar_kernels()})
    for (int t = 0; table && t < kDTypes; ++t) {
      const auto type = static_cast<DType>(t);
      if (!can_pack(type) || !table->linear[t]) continue;
      const auto name = [&](const char* what) {
        return std::string(what) + "/" + std::string(info(type).name) + "/" + table->isa;
      };
      // 1.2 GB of f32: well beyond every cache.
      benchmark::RegisterBenchmark(name("decode").c_str(), product, *table, type, 1, 32768, 8192);
      // A weight in the second-level cache: what the arithmetic of one token allows.
      benchmark::RegisterBenchmark(name("cached").c_str(), product, *table, type, 1, 128, 4096);
      benchmark::RegisterBenchmark(name("prefill").c_str(), product, *table, type, 512, 512, 2048);
    }
}

}  // namespace
}  // namespace limpid

int main(int argc, char** argv) {
  limpid::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
