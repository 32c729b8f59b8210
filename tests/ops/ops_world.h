// What the tests of products, MLPs and experts share: weights of any type with their decoded values, steps on any
// number of threads in memory of exactly the size that the ops ask for, full of NaN, and plain arithmetic in double
// precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/linear.h"
#include "tensor/codec.h"

namespace limpid::ops_test {

struct alignas(64) Line {
  std::byte bytes[64];
};
using Lines = std::vector<Line>;
inline Lines lines_for(std::size_t bytes) { return Lines((bytes + 63) / 64 + 1); }

inline std::vector<float> random_values(std::int64_t n, unsigned seed, float spread = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = normal(random);
  return values;
}

// A row of Q4_K or Q6_K, which nothing here encodes: random bits with scales that give values like 1 / sqrt(columns).
inline void random_superblocks(DType type, std::byte* row, std::int64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  const auto size = static_cast<std::size_t>(info(type).bytes);
  const float spread = 1.0F / std::sqrt(static_cast<float>(columns));
  const auto put = [](std::byte* at, float value) {
    const std::uint16_t bits = f32_to_f16(value);
    std::memcpy(at, &bits, sizeof bits);
  };
  for (std::int64_t b = 0; b < columns / 256; ++b, row += size) {
    for (std::size_t i = 0; i < size; ++i) row[i] = static_cast<std::byte>(random());
    if (type == DType::q4_k) {  // 6-bit scales of 4-bit values, and minima that centre them
      put(row, spread / 256);
      put(row + 2, spread / 256 * 7.5F);
    } else {  // 8-bit scales of 6-bit values, the scale of all at the end
      put(row + size - 2, spread / 1330);
    }
  }
}

// A weight of random values as its type stores them.
class Weight {
 public:
  Weight(DType type, std::int64_t rows, std::int64_t columns, unsigned seed, bool with_bias = false)
      : Weight(type, rows, columns,
               random_values(rows * columns, seed, 1.0F / std::sqrt(static_cast<float>(columns)))) {
    if (with_bias) bias_ = random_values(rows, seed + 1);
    view_.bias = bias_.empty() ? nullptr : bias_.data();
  }
  Weight(DType type, std::int64_t rows, std::int64_t columns, const std::vector<float>& values) {
    const std::size_t bytes = row_bytes(type, columns);
    std::vector<std::byte> file(bytes * static_cast<std::size_t>(rows));
    decoded_.resize(values.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      std::byte* row = file.data() + bytes * static_cast<std::size_t>(r);
      if (can_encode(type))
        encode_row(type, values.data() + r * columns, columns, row);
      else
        random_superblocks(type, row, columns, static_cast<unsigned>(r) + std::bit_cast<std::uint32_t>(values[0]));
      decode_row(type, row, columns, decoded_.data() + r * columns);
    }
    packed_ = lines_for(packed_bytes(type, rows, columns));
    view_ = {type, rows, columns, packed_.front().bytes, nullptr};
    for (std::int64_t s = 0; s < (rows + kStripRows - 1) / kStripRows; ++s)
      pack_strip(type, file, {}, rows, columns, s,
                 packed_.front().bytes + static_cast<std::size_t>(s) * view_.strip_bytes());
  }
  Weight(const Weight&) = delete;
  Weight& operator=(const Weight&) = delete;
  Weight(Weight&&) = default;

  const PackedWeight& view() const { return view_; }
  float at(std::int64_t r, std::int64_t c) const { return decoded_[static_cast<std::size_t>(r * view_.columns + c)]; }
  double bias(std::int64_t r) const { return bias_.empty() ? 0.0 : bias_[static_cast<std::size_t>(r)]; }

 private:
  PackedWeight view_;
  Lines packed_;
  std::vector<float> decoded_, bias_;
};

using Doubles = std::vector<double>;

// A row as the activations of a product round it.
inline Doubles as_activations(ActType type, Doubles x) {
  if (type == ActType::f32) return x;
  if (type == ActType::bf16) {
    for (double& value : x) value = bf16_to_f32(f32_to_bf16(static_cast<float>(value)));
    return x;
  }
  const std::size_t block = type == ActType::q8_32 ? 32 : 256;
  for (std::size_t begin = 0; begin < x.size(); begin += block) {
    const std::size_t end = std::min(begin + block, x.size());
    double largest = 0;
    for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(x[i]));
    for (std::size_t i = begin; i < end; ++i)
      x[i] = largest > 0 ? std::nearbyint(x[i] * 127 / largest) * largest / 127 : 0;
  }
  return x;
}
inline Doubles times(const Weight& weight, const Doubles& x) {
  const PackedWeight& w = weight.view();
  const Doubles rounded = as_activations(activation_of(w.type), x);
  Doubles y(static_cast<std::size_t>(w.rows));
  for (std::int64_t o = 0; o < w.rows; ++o) {
    double sum = weight.bias(o);
    for (std::int64_t k = 0; k < w.columns; ++k) sum += rounded[static_cast<std::size_t>(k)] * weight.at(o, k);
    y[static_cast<std::size_t>(o)] = sum;
  }
  return y;
}
constexpr float kEps = 1e-5F;
inline Doubles normalised(const Doubles& x, const std::vector<float>& gain) {
  double squares = 0;
  for (double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(kEps));
  Doubles y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * gain[i];
  return y;
}
inline Doubles mlp(const Weight& gate, const Weight& up, const Weight& down, const Doubles& n) {
  Doubles a = times(gate, n);
  const Doubles b = times(up, n);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = a[i] / (1 + std::exp(-a[i])) * b[i];
  return times(down, a);
}
inline Doubles row_of(const std::vector<float>& x, std::int64_t row, std::int64_t columns) {
  return {x.begin() + row * columns, x.begin() + (row + 1) * columns};
}

// The largest error relative to the spread of what is expected is below the tolerance, the usual one far below.
inline void expect_near(const std::vector<float>& got, const Doubles& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  double squares = 0, worst = 0, errors = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    squares += expected[i] * expected[i];
    const double error = std::fabs(got[i] - expected[i]);
    worst = error <= worst ? worst : error;  // a NaN stays
    errors += error * error;
  }
  EXPECT_LT(worst / std::sqrt(squares / static_cast<double>(got.size())), tolerance);
  EXPECT_LT(std::sqrt(errors / squares), tolerance / 10);
}
// A value that f32 rounds to the other side makes the next int8 (or bf16) another, one step of 254 of a block, and with
// it now and then some of the row that follows.
inline double tolerance_of(DType type) { return activation_of(type) == ActType::f32 ? 2e-5 : 4e-2; }

struct How {
  int threads = 1;
  const KernelTable* kernels = &best_kernels();
};

// Runs one step in an arena and scratch of exactly these sizes.
inline void run_step(const How& how, std::size_t arena_bytes, std::size_t scratch_bytes,
                     const std::function<void(Exec&)>& work) {
  ThreadTeam team(how.threads);
  Lines arena = lines_for(arena_bytes);
  std::vector<Lines> scratch(static_cast<std::size_t>(how.threads));
  for (Lines& lines : scratch) lines = lines_for(scratch_bytes);
  team.run([&](int thread) {
    Exec ex;
    ex.thread = thread;
    ex.threads = how.threads;
    ex.barrier = &team.barrier();
    ex.kernels = how.kernels;
    ex.arena = Arena({arena.front().bytes, arena_bytes});
    ex.scratch = Arena({scratch[static_cast<std::size_t>(thread)].front().bytes, scratch_bytes});
    ex.poison = true;
    work(ex);
    EXPECT_EQ(ex.scratch.used(), 0U) << "scratch was not given back";
  });
}
inline Tensor tensor_of(std::vector<float>& x, std::int64_t rows) {
  return {DType::f32,
          {rows, rows == 0 ? 0 : static_cast<std::int64_t>(x.size()) / rows},
          reinterpret_cast<std::byte*>(x.data())};
}

// Rows of x to rows of results, on the threads and kernels of How.
using RowsOp = std::function<std::vector<float>(const How& how, const std::vector<float>& x, std::int64_t rows)>;

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// The contract of one answer: the result of a row moves by no bit with threads, instruction sets and the other rows.
inline std::vector<float> one_answer(const RowsOp& op, const std::vector<float>& x, std::int64_t rows) {
  const std::vector<float> expected = op({}, x, rows);
  const std::int64_t in = static_cast<std::int64_t>(x.size()) / rows,
                     out = static_cast<std::int64_t>(expected.size()) / rows;
  for (const KernelTable* table : kernel_tables())
    for (int threads : {1, 2, 3})
      EXPECT_TRUE(same_bits(op({threads, table}, x, rows), expected)) << table->isa << " on " << threads << " threads";
  auto part = [&](std::int64_t begin, std::int64_t end, int threads) {
    const std::vector<float> some(x.begin() + begin * in, x.begin() + end * in);
    const std::vector<float> wanted(expected.begin() + begin * out, expected.begin() + end * out);
    EXPECT_TRUE(same_bits(op({threads, &best_kernels()}, some, end - begin), wanted))
        << "rows [" << begin << ", " << end << ") of " << rows << " on " << threads << " threads";
  };
  for (std::int64_t row : {std::int64_t{0}, rows / 2, rows - 1}) part(row, row + 1, 1 + static_cast<int>(row % 3));
  for (std::int64_t size : {3, 7, 50})
    if (size < rows) {
      part(0, size, 2);
      part(rows - size, rows, 3);
    }
  return expected;
}

// Types of weights of every kind of activations.
inline std::vector<DType> weight_types() {
  return {DType::f32, DType::f16, DType::bf16, DType::q4_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q6_k};
}
// The next number of columns that rows of the type can have.
inline std::int64_t fitting(DType type, std::int64_t columns) {
  return (columns + info(type).block - 1) / info(type).block * info(type).block;
}
inline std::string type_name(const ::testing::TestParamInfo<DType>& type) { return std::string(info(type.param).name); }

}  // namespace limpid::ops_test
