#include "ops/softmax.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace limpid {

namespace {

// Four lanes by the compilers' vector extension, four of them a block of 16: spelled out, because compilers do not
// vectorise comparisons of floats on their own. Each lane computes what a scalar would.
using Floats = float __attribute__((vector_size(16)));
using Ints = std::int32_t __attribute__((vector_size(16)));
using Doubles = double __attribute__((vector_size(32)));
constexpr std::size_t kLanes = 16, kVectors = 4;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Floats load(const float* from) {
  Floats result;
  std::memcpy(&result, from, sizeof result);
  return result;
}

Floats all(float value) { return Floats{value, value, value, value}; }

bool any(Ints mask) { return (mask[0] | mask[1] | mask[2] | mask[3]) != 0; }

// exp(x) for x <= 0: 2^n * exp(r), |r| <= ln(2) / 2, exp(r) by its Taylor polynomial of degree 7 (next term < 6e-9). No
// libm.
Floats exp_nonpositive(Floats x) {
  constexpr float kLowest = -69.0F;  // 2^-99.5
  const Ints inside = x > all(kLowest);
  const Floats bounded = inside ? x : all(kLowest);
  const Floats shifted = bounded * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: rounds to the nearest integer
  const Floats n = shifted - 12582912.0F;
  const Floats r = (bounded - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts (Cephes)
  Floats p = r * (1.0F / 5040) + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const Ints exponent = (reinterpret_cast<Ints>(shifted) - 0x4B400000 + 127) << 23;
  const Floats value = p * reinterpret_cast<Floats>(exponent);
  return inside ? value : all(0.0F);
}

// A block of 16 at `at`; the last, ragged one is padded with -inf.
struct Block {
  std::array<Floats, kVectors> x;
  Block(std::span<const float> values, std::size_t at) {
    const float* from = values.data() + at;
    std::array<float, kLanes> padded;
    if (values.size() - at < kLanes) {
      padded.fill(-kInfinity);
      std::copy(from, values.data() + values.size(), padded.begin());
      from = padded.data();
    }
    for (std::size_t v = 0; v < kVectors; ++v) x[v] = load(from + 4 * v);
  }
};

double tree_sum(const std::array<Doubles, kVectors>& lanes) {
  const Doubles sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

}  // namespace

float max_logit(std::span<const float> logits) {
  std::array<Floats, kVectors> best;
  best.fill(all(-kInfinity));
  Ints usable = {-1, -1, -1, -1};
  for (std::size_t i = 0; i < logits.size(); i += kLanes) {
    const Block block(logits, i);
    for (std::size_t v = 0; v < kVectors; ++v) {
      usable &= block.x[v] < all(kInfinity);  // false for NaN and +inf
      best[v] = block.x[v] > best[v] ? block.x[v] : best[v];
    }
  }
  if (any(~usable)) return std::numeric_limits<float>::quiet_NaN();
  float result = -kInfinity;
  for (const Floats& lanes : best)
    for (std::size_t lane = 0; lane < 4; ++lane) result = std::max(result, static_cast<float>(lanes[lane]));
  return result;
}

std::int32_t argmax(std::span<const float> logits) {
  const Floats best = all(max_logit(logits));
  for (std::size_t i = 0; i < logits.size(); i += kLanes) {
    const Block block(logits, i);
    if (!any((block.x[0] == best) | (block.x[1] == best) | (block.x[2] == best) | (block.x[3] == best))) continue;
    while (logits[i] != best[0]) ++i;
    return static_cast<std::int32_t>(i);
  }
  return -1;
}

double softmax_weights(std::span<const float> logits, float max, float inverse_temperature, std::span<float> weights) {
  std::array<Doubles, kVectors> sums{};
  for (std::size_t i = 0; i < logits.size(); i += kLanes) {
    Block block(logits, i);
    for (std::size_t v = 0; v < kVectors; ++v) {
      block.x[v] = exp_nonpositive((block.x[v] - max) * inverse_temperature);  // -inf gives 0
      sums[v] += __builtin_convertvector(block.x[v], Doubles);
    }
    if (!weights.empty())
      std::memcpy(weights.data() + i, block.x.data(), std::min(kLanes, logits.size() - i) * sizeof(float));
  }
  return tree_sum(sums);
}

// Bands of weight, each gathered by one pass over the vocabulary and handed out from a heap: [2^-6, 1], [2^-12, 2^-6),
// [2^-20, 2^-12), the rest.
void CandidateOrder::start(std::span<const float> weights) {
  weights_ = weights;
  heap_.clear();
  above_ = std::numeric_limits<float>::infinity();
  band_ = 0;
}

bool CandidateOrder::fill() {
  constexpr std::array<float, 4> kFloors{0x1p-6F, 0x1p-12F, 0x1p-20F, 0x1p-149F};
  while (heap_.empty() && band_ < static_cast<int>(kFloors.size())) {
    const float floor = kFloors[static_cast<std::size_t>(band_++)];
    for (std::size_t i = 0; i < weights_.size(); i += kLanes) {
      const Block block(weights_, i);
      Ints wanted = {};  // most blocks hold none
      for (const Floats& x : block.x) wanted |= (x >= all(floor)) & (x < all(above_));
      if (!any(wanted)) continue;
      for (std::size_t at = i; at < std::min(i + kLanes, weights_.size()); ++at)
        if (weights_[at] >= floor && weights_[at] < above_)
          heap_.push_back({weights_[at], static_cast<std::int32_t>(at)});
    }
    above_ = floor;
    std::make_heap(heap_.begin(), heap_.end(), after);
  }
  return !heap_.empty();
}

std::int32_t CandidateOrder::next() {
  if (heap_.empty() && !fill()) return -1;
  std::pop_heap(heap_.begin(), heap_.end(), after);
  const std::int32_t id = heap_.back().id;
  heap_.pop_back();
  return id;
}

}  // namespace limpid
