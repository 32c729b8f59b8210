// What the tests of attention share: sequences with random queries, keys and values, a pool of pages full of NaN, and a
// plain attention in double precision (softmax over the whole history) fed with the keys and values as the cache rounds
// them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/attention.h"

namespace limpid::attention_test {

// Rotations as plain loops: the truth for rope, and a table for instruction sets whose other kernels are not under test
// here.
inline void plain_halves(float* x, const float* cos, const float* sin, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = x[i], b = x[i + n];
    x[i] = a * cos[i] - b * sin[i];
    x[i + n] = b * cos[i] + a * sin[i];
  }
}
inline void plain_pairs(float* x, const float* cos, const float* sin, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}
inline void plain_angles(const float* frequency, std::int64_t n, std::int32_t position, float magnitude, float* cos,
                         float* sin) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    const float angle = static_cast<float>(position) * frequency[i];
    cos[i] = static_cast<float>(std::cos(static_cast<double>(angle))) * magnitude;
    sin[i] = static_cast<float>(std::sin(static_cast<double>(angle))) * magnitude;
  }
}
inline KernelTable table_of(const char* isa, const AttentionKernels* kernels) {
  KernelTable table{};
  table.isa = isa;
  table.attention = kernels;
  table.rope_halves = plain_halves;
  table.rope_pairs = plain_pairs;
  table.rope_angles = plain_angles;
  return table;
}
// The tables that this build and machine have.
inline std::vector<KernelTable> tables() {
  std::vector<KernelTable> all{table_of("scalar", scalar_attention())};
  if (avx2_attention() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back(table_of("avx2", avx2_attention()));
  if (avx512_attention() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    all.push_back(table_of("avx512", avx512_attention()));
  return all;
}

struct Shape {
  std::string name;
  int heads, kv_heads, key_dim, value_dim;
  int pairs;
  bool interleaved;
  int rope_dim = 0;  // > 0: a latent of value_dim values, key_dim = value_dim + rope_dim
  bool latent() const { return rope_dim > 0; }
  int rotated() const { return latent() ? value_dim : 0; }
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(key_dim)); }
  CacheLayout layout(CacheType type) const {
    CacheLayout layout;
    layout.type = type;
    layout.kv_heads = kv_heads;
    if (latent()) {
      layout.latent = value_dim;
      layout.rope = rope_dim;
    } else {
      layout.key_dim = key_dim;
      layout.value_dim = value_dim;
    }
    return layout;
  }
};

// The inputs of a sequence, token by token.
struct Sequence {
  std::vector<float> q, k, v;
  Sequence(const Shape& shape, int tokens, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    auto fill = [&](std::vector<float>& x, int per_token, float spread) {
      x.resize(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(per_token));
      for (float& value : x) value = spread * normal(random);
    };
    fill(q, shape.heads * shape.key_dim, 2.0F);
    fill(k, shape.kv_heads * shape.key_dim, 1.5F);
    if (!shape.latent()) fill(v, shape.kv_heads * shape.value_dim, 1.0F);
  }
};

// To the nearest value with `bits` bits of mantissa and exponents from `least` (ties to even), as f16 (11, -14) and
// bf16 (8, -126) have.
inline float round_mantissa(float x, int bits, int least) {
  if (x == 0) return x;
  const int exponent = std::max(std::ilogb(x), least);
  return static_cast<float>(
      std::ldexp(std::nearbyint(std::ldexp(static_cast<double>(x), bits - 1 - exponent)), exponent - bits + 1));
}
inline void round_as_cached(CacheType type, float* x, int n, int block) {
  if (type == CacheType::f16)
    for (int i = 0; i < n; ++i) x[i] = round_mantissa(x[i], 11, -14);
  if (type == CacheType::bf16)
    for (int i = 0; i < n; ++i) x[i] = round_mantissa(x[i], 8, -126);
  if (type != CacheType::q8) return;
  for (int begin = 0; begin < n; begin += block) {
    const int end = std::min(begin + block, n);
    float largest = 0;
    for (int i = begin; i < end; ++i) largest = std::max(largest, std::fabs(x[i]));
    for (int i = begin; i < end; ++i) x[i] = largest > 0 ? std::nearbyint(x[i] * (127 / largest)) * (largest / 127) : 0;
  }
}

inline std::vector<float> frequencies(int pairs) {
  std::vector<float> result(static_cast<std::size_t>(pairs));
  for (int i = 0; i < pairs; ++i)
    result[static_cast<std::size_t>(i)] = static_cast<float>(std::pow(10000.0, -static_cast<double>(i) / pairs));
  return result;
}

constexpr float kMagnitude = 1.125F;

// (tokens, heads, value_dim) in double precision.
inline std::vector<double> reference(const Shape& shape, const Sequence& sequence, int tokens, CacheType type) {
  std::vector<float> q = sequence.q, k = sequence.k, v = sequence.v;
  const auto frequency = frequencies(shape.pairs);
  std::vector<float> cos(frequency.size()), sin(frequency.size());
  for (int t = 0; t < tokens; ++t) {
    plain_angles(frequency.data(), shape.pairs, t, kMagnitude, cos.data(), sin.data());
    auto rotate = [&](float* x) {
      (shape.interleaved ? plain_pairs : plain_halves)(x + shape.rotated(), cos.data(), sin.data(), shape.pairs);
    };
    for (int h = 0; h < shape.heads; ++h) rotate(&q[static_cast<std::size_t>((t * shape.heads + h) * shape.key_dim)]);
    for (int h = 0; h < shape.kv_heads; ++h) {
      float* key = &k[static_cast<std::size_t>((t * shape.kv_heads + h) * shape.key_dim)];
      rotate(key);
      round_as_cached(type, key, shape.key_dim, shape.latent() ? 32 : shape.key_dim);
      if (!shape.latent())
        round_as_cached(type, &v[static_cast<std::size_t>((t * shape.kv_heads + h) * shape.value_dim)], shape.value_dim,
                        shape.value_dim);
    }
  }
  std::vector<double> out(static_cast<std::size_t>(tokens * shape.heads * shape.value_dim));
  std::vector<double> weight(static_cast<std::size_t>(tokens));
  for (int t = 0; t < tokens; ++t)
    for (int h = 0; h < shape.heads; ++h) {
      const int kv = h / (shape.heads / shape.kv_heads);
      double top = -1e300, total = 0;
      for (int p = 0; p <= t; ++p) {
        double s = 0;
        for (int d = 0; d < shape.key_dim; ++d)
          s += static_cast<double>(q[static_cast<std::size_t>((t * shape.heads + h) * shape.key_dim + d)]) *
               static_cast<double>(k[static_cast<std::size_t>((p * shape.kv_heads + kv) * shape.key_dim + d)]);
        weight[static_cast<std::size_t>(p)] = s * static_cast<double>(shape.scale());
        top = std::max(top, weight[static_cast<std::size_t>(p)]);
      }
      for (int p = 0; p <= t; ++p)
        total += weight[static_cast<std::size_t>(p)] = std::exp(weight[static_cast<std::size_t>(p)] - top);
      for (int p = 0; p <= t; ++p)
        for (int d = 0; d < shape.value_dim; ++d) {
          const float value = shape.latent()
                                  ? k[static_cast<std::size_t>(p * shape.key_dim + d)]
                                  : v[static_cast<std::size_t>((p * shape.kv_heads + kv) * shape.value_dim + d)];
          out[static_cast<std::size_t>((t * shape.heads + h) * shape.value_dim + d)] +=
              weight[static_cast<std::size_t>(p)] / total * static_cast<double>(value);
        }
    }
  return out;
}

// The memory and the threads of a step, as an engine has them: exactly as much as the contract says that is needed,
// full of NaN.
class Machine {
 public:
  Machine(int threads, const KernelTable& kernels) : kernels_(kernels), team_(threads) {}

  // All rows' outputs, (T, heads * value_dim). What the op took from arena and scratch beside its result must have been
  // given back.
  std::vector<float> step(const Shape& shape, const CacheLayer& cache, const Batch& batch, std::vector<float>& q,
                          std::vector<float>& k, std::vector<float>& v);

 private:
  KernelTable kernels_;
  ThreadTeam team_;
  std::vector<HugeBuffer> scratch_;
  HugeBuffer arena_;
};

// How the sequences are run; nothing of it may move a bit.
struct Run {
  int threads = 1;
  std::vector<int> chunks = {};  // of the first sequence; repeated to its end; empty: all at once
  unsigned page_order = 0;       // seed of the permutation of pages; 0: in order
  std::vector<int> mates = {};   // tokens of further sequences that run beside it in chunks of 1, 2, 3, ...
  std::vector<KernelTable> kernels = tables();
  std::size_t isa = ~std::size_t{0};  // the last table
};

// Outputs of the first sequence, (tokens, heads * value_dim). Pages, arena and scratch are full of NaN wherever nothing
// was written.
std::vector<float> run(const Shape& shape, CacheType type, const Sequence& sequence, int tokens, const Run& how);

}  // namespace limpid::attention_test
