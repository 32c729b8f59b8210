// Speed of the product of training, one thread, in billions of multiply-adds per second: the input's gradient dX = dY W
// and the weight's dW = dY^T X, in f32 and bf16.
//   gradient_bench --benchmark_filter=bf16
#include <benchmark/benchmark.h>
#include <xmmintrin.h>

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace limpid {
namespace {

struct Shape {
  std::int64_t tokens, outputs, inputs;
};

void gradient(benchmark::State& state, void (*gemm)(const GemmArgs&) noexcept, bool of_weight, Shape s) {
  _mm_setcsr(_mm_getcsr() | 0x8040);  // denormals are flushed as on the engine's threads
  std::vector<float> dy(static_cast<std::size_t>(s.tokens * s.outputs), 0.5F),
      x(static_cast<std::size_t>(s.tokens * s.inputs), 0.25F),
      w(static_cast<std::size_t>(s.outputs * s.inputs), 0.125F);
  GemmArgs args;
  args.a = dy.data();
  args.a_row = of_weight ? 1 : s.outputs;
  args.a_reduction = of_weight ? s.outputs : 1;
  args.b = of_weight ? x.data() : w.data();
  args.out = of_weight ? w.data() : x.data();
  args.b_stride = args.out_stride = args.columns = s.inputs;
  args.rows = of_weight ? s.outputs : s.tokens;
  args.reduction = of_weight ? s.tokens : s.outputs;
  for (auto _ : state) {
    gemm(args);
    benchmark::ClobberMemory();
  }
  state.counters["GMAC/s"] = benchmark::Counter(
      static_cast<double>(state.iterations() * s.tokens * s.outputs * s.inputs) * 1e-9, benchmark::Counter::kIsRate);
}

void add(const char* isa, const KernelTable* table) {
  if (table == nullptr) return;
  for (const Shape s : {Shape{512, 192, 192}, Shape{1024, 512, 192}, Shape{512, 1536, 576}, Shape{2048, 1024, 1024}})
    for (const bool bf16 : {false, true})
      for (const bool of_weight : {false, true}) {
        const std::string name = std::string(isa) + (bf16 ? "/bf16" : "/f32") + (of_weight ? "/dW/" : "/dX/") +
                                 std::to_string(s.tokens) + "x" + std::to_string(s.outputs) + "x" +
                                 std::to_string(s.inputs);
        benchmark::RegisterBenchmark(name.c_str(), gradient, bf16 ? table->gradient->gemm_bf16 : table->gradient->gemm,
                                     of_weight, s);
      }
}

}  // namespace
}  // namespace limpid

int main(int argc, char** argv) {
  limpid::add("avx512", limpid::avx512_kernels());
  limpid::add("avx2", limpid::avx2_kernels());
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
