// Speed of rope_store_attend on real shapes: decoding one token at a context of 4096 (GB of cache read per second) and
// prefill of 512 tokens (GFLOPS, causal half only). Rotation is not measured. Sixteen layers in turn, so that the cache
// of a layer is not what was just read.
//   attention_bench --benchmark_filter=decode4096/smollm2/f16/avx512
#include <benchmark/benchmark.h>

#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "ops/attention.h"

namespace limpid {
namespace {

struct Shape {
  const char* name;
  int heads, kv_heads, key_dim, value_dim;
  bool latent;
};
constexpr Shape kShapes[] = {
    {"smollm2", 9, 3, 64, 64, false},
    {"qwen2-1.5b", 12, 2, 128, 128, false},
    {"llama-7b", 32, 32, 128, 128, false},
    {"moonlight", 16, 1, 576, 512, true},
};
constexpr int kLayers = 16;

// The tables that this machine can run, best first.
std::vector<KernelTable> tables() {
  __builtin_cpu_init();
  std::vector<KernelTable> all;
  auto add = [&](const char* isa, const AttentionKernels* kernels, bool runs) {
    if (!kernels || !runs) return;
    all.emplace_back();
    all.back().isa = isa;
    all.back().attention = kernels;
  };
  add("avx512", avx512_attention(),
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"));
  add("avx2", avx2_attention(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  add("scalar", scalar_attention(), true);
  return all;
}

// `rows` new tokens after `before` stored ones, on `threads` threads.
void attend(benchmark::State& state, const KernelTable& kernels, const Shape& shape, CacheType type, int before,
            int rows, int threads) {
  CacheLayout layout;
  layout.type = type;
  layout.kv_heads = shape.kv_heads;
  (shape.latent ? layout.latent : layout.key_dim) = shape.latent ? 512 : shape.key_dim;
  (shape.latent ? layout.rope : layout.value_dim) = shape.latent ? 64 : shape.value_dim;
  const int pages = (before + rows + kPageTokens - 1) / kPageTokens;
  const std::size_t layer_bytes = static_cast<std::size_t>(pages) * page_bytes(layout);
  HugeBuffer pool(layer_bytes * kLayers);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  // A few bytes that are a sound number in every type: f32 0.99, f16 1.9, int8 63.
  std::memset(pool.data(), 0x3F, pool.size());
  std::vector<std::int32_t> table(static_cast<std::size_t>(pages)), ids(static_cast<std::size_t>(rows)),
      positions(ids.size());
  std::iota(table.begin(), table.end(), 0);
  std::iota(positions.begin(), positions.end(), before);
  const BatchSequence sequence{0, rows, before, table.data()};
  const Batch batch{ids, positions, {&sequence, 1}, {}};
  auto random_rows = [&](int columns) {
    std::vector<float> x(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
    for (float& v : x) v = uniform(random);
    return x;
  };
  std::vector<float> q = random_rows(shape.heads * shape.key_dim), k = random_rows(shape.kv_heads * shape.key_dim),
                     v = random_rows(shape.kv_heads * shape.value_dim);
  const StepMemory memory(attention_arena_bytes(threads, rows, shape.heads, shape.value_dim) + 64,
                          attention_scratch_bytes(rows, shape.heads, shape.key_dim, shape.value_dim), threads);
  ThreadTeam team(threads);
  auto tensor = [&](std::vector<float>& x, int heads, int dim) {
    return Tensor(DType::f32, {rows, heads, dim}, reinterpret_cast<std::byte*>(x.data()));
  };
  for (auto _ : state) {
    team.run([&](int thread) {
      Exec ex = memory.exec(team, thread, &kernels);
      for (int layer = 0; layer < kLayers; ++layer) {
        const CacheLayer cache{layout, pool.data() + static_cast<std::size_t>(layer) * layer_bytes};
        if (shape.latent)
          rope_store_attend(ex, LatentAttention{shape.heads, 512, 64, 0.05F, {}}, {}, tensor(q, shape.heads, 576),
                            tensor(k, 1, 576), batch, cache);
        else
          rope_store_attend(ex,
                            GroupedAttention{shape.heads, shape.kv_heads, shape.key_dim, shape.value_dim, 0.05F, {}},
                            {}, tensor(q, shape.heads, shape.key_dim), tensor(k, shape.kv_heads, shape.key_dim),
                            tensor(v, shape.kv_heads, shape.value_dim), batch, cache);
        ex.arena.rewind(0);
      }
    });
  }
  const double layers = static_cast<double>(state.iterations()) * kLayers;
  const double pairs = static_cast<double>(rows) * before + static_cast<double>(rows) * (rows + 1) / 2;
  state.counters["us/layer"] =
      benchmark::Counter(layers * 1e-6, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["GB/s"] =
      benchmark::Counter(layers * bytes_per_token(layout) * (before + rows) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GFLOPS"] = benchmark::Counter(
      layers * pairs * shape.heads * 2 * (shape.key_dim + shape.value_dim) * 1e-9, benchmark::Counter::kIsRate);
}

const bool kRegistered = [] {
  const char* const types[] = {"f32", "f16", "bf16", "q8"};
  static const std::vector<KernelTable> isas = tables();
  for (const KernelTable& isa : isas)
    for (const Shape& shape : kShapes)
      for (CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::q8})
        for (int threads : {1, 2}) {
          const std::string tail = std::string("/") + shape.name + "/" + types[static_cast<int>(type)] + "/" + isa.isa +
                                   "/threads:" + std::to_string(threads);
          auto add = [&](const char* name, int before, int rows) {
            // One thread by its CPU time, which a busy machine moves less.
            auto* bench = benchmark::RegisterBenchmark(
                (name + tail).c_str(),
                [=, &shape, &isa](benchmark::State& state) { attend(state, isa, shape, type, before, rows, threads); });
            bench->Unit(benchmark::kMillisecond)->MinTime(0.3);
            if (threads > 1) bench->UseRealTime();
          };
          add("decode4096", 4095, 1);
          add("prefill512", 0, 512);
        }
  return true;
}();

}  // namespace
}  // namespace limpid
